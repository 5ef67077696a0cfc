"""Which replica goes so that one more fits: the decision, and what `Replicas` makes of it."""

import asyncio
import gc
import math
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

import chainlets as chains
from chainlets.graph import chain_from
from chainlets.runtime.measuring import ThisMachine, give_back
from chainlets.runtime.replicas import Replicas
from chainlets.runtime.room import UNBOUNDED, Kept, Memory, in_bytes, need_of, next_to_drop
from chainlets.runtime.space import Use

GIB = 1024**3


def gib(main=0.0, gpu=0.0):
    return Memory(main=main * GIB, gpu=gpu * GIB)


def kept(name, need, *, used_at=0.0, idle=True):
    return Kept(key=("chain", "1", name), need=need, idle=idle, used_at=used_at)


@pytest.mark.parametrize(
    ("size", "count"), [("0", 0), ("512", 512), ("1Ki", 1024), ("1.5Mi", 1572864), ("2Gi", 2 * GIB)]
)
def test_sizes_are_read_as_their_authors_mean_them(size, count):
    assert in_bytes(size) == count


@pytest.mark.parametrize("size", ["", "Gi", "-1Gi", "2GB", "2 Gi"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(ValueError, match="such as 512Mi"):
        in_bytes(size)


@pytest.mark.parametrize(
    ("compute", "measured", "limit", "need"),
    [
        ({"memory": "3Gi"}, gib(1), gib(8, 8), gib(3)),
        ({"memory": "2Gi"}, gib(1), gib(8, 8), gib(2)),  # written, though it is the default
        ({}, gib(1), gib(8, 8), gib(1)),
        ({"memory": "16Gi"}, gib(1), gib(8, 8), gib(1)),  # meant for another machine
        ({"memory": "3Gi"}, gib(1), UNBOUNDED, gib(3)),
        ({"gpu": "T4"}, gib(1, 4), gib(8, 16), gib(1, 4)),
        ({"gpu": "T4", "gpu_memory": "6Gi"}, gib(1, 4), gib(8, 16), gib(1, 6)),
        ({"gpu": "T4", "gpu_memory": "60Gi"}, gib(1, 4), gib(8, 16), gib(1, 4)),
        ({"gpu_memory": "6Gi"}, gib(1), gib(8, 16), gib(1)),  # it asks for no GPU
    ],
)
def test_what_was_declared_counts_and_what_was_measured_otherwise(compute, measured, limit, need):
    assert need_of(chains.Compute(**compute), measured=measured, limit=limit) == need


OLD, NEW = kept("old", gib(2), used_at=1), kept("new", gib(2), used_at=2)
BUSY = kept("busy", gib(2), used_at=0, idle=False)
TINY = kept("tiny", gib(0), used_at=0)
ON_GPU = kept("gpu", gib(1, 8), used_at=3)


@pytest.mark.parametrize(
    ("need", "limit", "free", "those", "dropped"),
    [
        (gib(2), gib(8), gib(8), [OLD, NEW], None),  # it fits
        (gib(4), gib(8), gib(8), [OLD, NEW], None),  # just
        (gib(5), gib(8), gib(8), [NEW, OLD], "old"),  # least recently used
        (gib(2), UNBOUNDED, gib(1), [OLD, NEW], "old"),  # others than we have filled the machine
        (gib(5), gib(8), gib(8), [BUSY, NEW, OLD], "old"),  # never one that is used
        (gib(5), gib(8), gib(8), [BUSY, kept("other", gib(4), idle=False)], None),  # tried all the same
        (gib(7), gib(8), gib(8), [TINY, OLD], "old"),  # what takes nothing makes no room
        (gib(1, 12), gib(8, 16), gib(8, 8), [OLD, ON_GPU], "gpu"),  # main memory is not what is short
        (gib(6, 8), gib(8, 16), gib(8, 16), [OLD, ON_GPU], "old"),
        (gib(99), gib(8), gib(8), [], None),
    ],
)
def test_the_one_that_helps_and_was_used_least_recently_goes(need, limit, free, those, dropped):
    found = next_to_drop(need, limit=limit, free=free, kept=those)
    assert (found and found[2]) == dropped


def test_a_replica_is_retired_only_when_nobody_uses_it():
    use = Use()
    assert use.begin()
    assert not use.retire()
    use.end()
    assert use.retire()
    assert not use.begin(), "whoever comes late builds another"


def test_users_and_the_one_who_lets_go_never_both_win():
    for _ in range(300):
        use = Use()
        with ThreadPoolExecutor(2) as pool:
            begun, retired = pool.submit(use.begin), pool.submit(use.retire)
        assert begun.result() != retired.result()


def test_this_machine_is_measured():
    machine = ThisMachine(limit=GIB)
    assert machine.limit().main == GIB
    assert 0 < machine.free().main < math.inf
    give_back()  # what other tests had and freed would be taken again first
    before = machine.taken().main
    assert before > 10 * 1024**2
    block = bytearray(64 * 1024**2)
    assert machine.taken().main - before > 32 * 1024**2
    del block
    give_back()
    assert machine.taken().main - before < 32 * 1024**2


class Fake:
    """A machine of four GiB."""

    def limit(self):
        return gib(4)

    def free(self):
        return gib(64)

    def taken(self):
        return Memory()


built: list[str] = []
closed: list[str] = []


class Noisy(chains.ChainletBase):
    def __init__(self) -> None:
        built.append(type(self).__name__)

    def close(self) -> None:
        closed.append(type(self).__name__)

    def run_remote(self) -> None:
        pass


class Big(Noisy):
    remote_config = chains.RemoteConfig(compute=chains.Compute(memory="3Gi"))

    def run_remote(self) -> None:
        pass


class Small(Noisy):
    remote_config = chains.RemoteConfig(compute=chains.Compute(memory="1Gi"))

    async def close(self) -> None:
        closed.append("Small")
        raise OSError("the file was gone")

    def run_remote(self) -> None:
        pass


class Other(Noisy):
    remote_config = chains.RemoteConfig(compute=chains.Compute(memory="2Gi"))

    def run_remote(self) -> None:
        pass


@chains.mark_entrypoint("shelf")
class Shelf(chains.ChainletBase):
    def __init__(
        self,
        big: Big = chains.depends(Big),
        small: Small = chains.depends(Small),
        other: Other = chains.depends(Other),
    ) -> None:
        self._all = (big, small, other)

    async def run_remote(self) -> None:
        pass


@pytest.fixture
def shelf(tmp_path):
    """Takes replicas by name: `await take("Big")`."""
    chain = chain_from(Shelf)
    replicas = Replicas(stub=lambda *_: object(), secrets={}, data_dir=tmp_path, services={}, machine=Fake())
    built.clear()
    closed.clear()

    async def take(name):
        return await asyncio.wait_for(replicas.take(chain, chain.chainlets[name]), 10)

    yield take
    replicas.close()


async def test_the_least_recently_used_is_closed_forgotten_and_built_anew(shelf, caplog):
    for name in ("Big", "Small", "Big"):
        (await shelf(name)).use.end()
    big = await shelf("Big")
    gone = weakref.ref(big.instance)
    big.use.end()
    del big
    assert closed == []
    (await shelf("Other")).use.end()  # 3 + 1 + 2 are too many by two
    gc.collect()
    assert closed == ["Small", "Big"]
    assert gone() is None
    assert "could not be closed" in caplog.text
    (await shelf("Big")).use.end()
    assert built == ["Big", "Small", "Other", "Big"]
    assert closed == ["Small", "Big", "Other"]


async def test_one_that_is_used_stays_and_the_new_one_is_built_all_the_same(shelf):
    big = await shelf("Big")
    (await shelf("Other")).use.end()
    assert closed == []
    assert (await shelf("Big")) is big


async def test_many_who_want_what_does_not_fit_together_all_get_it(shelf):
    async def use(name):
        replica = await shelf(name)
        assert replica.use.begin()
        replica.use.end()
        await asyncio.sleep(0.001)
        replica.use.end()

    await asyncio.gather(*(use(name) for name in ("Big", "Other", "Small") * 20))
    assert len(built) < 60
