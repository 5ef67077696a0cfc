"""Speech to text for audio of any length: the flagship chain."""
