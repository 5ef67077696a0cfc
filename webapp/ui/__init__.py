"""Serves the built page and the headers that guard it."""
