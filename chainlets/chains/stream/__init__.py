"""Results that arrive piece by piece: plain text, and a structured stream with header and footer."""

from chainlets.chains.stream.chain import Layout, Line, Lines, Stream, Summary, Words

__all__ = ["Layout", "Line", "Lines", "Stream", "Summary", "Words"]
