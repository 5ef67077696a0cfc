"""A stand-in for everything that surrounds a chainlet, for the tests of chains.

    async def test_a_name_is_said_twice():
        leaf = testing.FakeChainlet([["Ann", "Ann"]], like=Leaf)
        assert await Top(leaf=leaf).run_remote("Ann") == ["Ann", "Ann"]
        assert leaf.calls[0].arguments == {"name": "Ann", "times": 2}

The engine has its own: `chainlets.runtime.memory.MemoryRunStore` stands in for the database.
Fakes and what they stand in for pass the same tests, in `tests/integration/contracts`.
"""

from chainlets.files import use_file_store
from chainlets.retrying import no_retry_pauses
from chainlets.testing.call import LogLine, ProgressStep, RecordedCall, recorded_call
from chainlets.testing.chainlet import FakeCall, FakeChainlet
from chainlets.testing.context import fake_context
from chainlets.testing.failing import InjectedError, random_fail
from chainlets.testing.files import MemoryFileStore
from chainlets.testing.links import MemoryLink, memory_links
from chainlets.testing.service import FakeService, ServiceRequest
from chainlets.testing.websocket import FakeWebSocket, conversation

__all__ = [
    "FakeCall",
    "FakeChainlet",
    "FakeService",
    "FakeWebSocket",
    "InjectedError",
    "LogLine",
    "MemoryFileStore",
    "MemoryLink",
    "ProgressStep",
    "RecordedCall",
    "ServiceRequest",
    "conversation",
    "fake_context",
    "memory_links",
    "no_retry_pauses",
    "random_fail",
    "recorded_call",
    "use_file_store",
]
