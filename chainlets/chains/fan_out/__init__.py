"""Many calls at once and one result: the chain to read for `gather`, retries and progress."""

from chainlets.chains.fan_out.chain import CountWords, FanOut, WordCount

__all__ = ["CountWords", "FanOut", "WordCount"]
