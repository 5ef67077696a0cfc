"""A part of a recording as a file of its own."""

from chainlets.chains.excerpt.chain import Excerpt

__all__ = ["Excerpt"]
