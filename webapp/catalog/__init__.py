"""Chains and their versions."""
