"""Turns chainlet calls into Celery tasks and their results back into values."""
