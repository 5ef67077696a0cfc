"""What `python -m chainlets` can do, one module for each command."""
