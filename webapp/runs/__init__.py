"""Runs, their invocations and their events."""
