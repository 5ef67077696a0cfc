"""Uploads, the file store and byte ranges."""
