"""The chain to copy: two chainlets, one calling the other several times at once."""

from chainlets.chains.hello.chain import Greeter, Hello

__all__ = ["Greeter", "Hello"]
