"""Many operations travel in one transaction, and none is lost or done twice."""

import contextlib
import threading

import pytest

from chainlets.errors import StoreUnavailable
from chainlets.runtime.committer import Committer


class Store:
    """A store that counts transactions and rolls back like a database."""

    def __init__(self):
        self.rows = []
        self.transactions = 0
        self.away = 0
        self.gate = threading.Event()
        self.gate.set()

    @contextlib.contextmanager
    def atomic(self, about=()):
        self.gate.wait(5)
        before = list(self.rows)
        self.transactions += 1
        try:
            if self.away:
                self.away -= 1
                raise StoreUnavailable("gone for a moment")
            yield
        except BaseException:
            self.rows = before
            raise


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def committer(store):
    committer = Committer(store, batch=200)
    committer.start()
    yield committer
    committer.stop(timeout_s=5)


def test_what_waits_together_is_committed_together_and_in_order(store, committer):
    store.gate.clear()
    first = committer.submit(lambda s: s.rows.append(0))
    futures = [committer.submit(lambda s, n=n: s.rows.append(n)) for n in range(1, 101)]
    store.gate.set()
    for future in [first, *futures]:
        future.result(5)

    assert store.rows == list(range(101))
    assert store.transactions <= 2  # the first may have begun before the others came


def test_one_bad_operation_fails_alone(store, committer):
    def bad(s):
        s.rows.append("half")
        raise ValueError("no")

    store.gate.clear()
    futures = [committer.submit(op) for op in (lambda s: s.rows.append(1), bad, lambda s: s.rows.append(2))]
    store.gate.set()

    futures[0].result(5)
    futures[2].result(5)
    with pytest.raises(ValueError, match="no"):
        futures[1].result(5)
    assert store.rows == [1, 2]


def test_operations_wait_for_a_store_that_is_away(store, committer):
    store.away = 2
    committer.submit(lambda s: s.rows.append(1)).result(10)
    assert store.rows == [1]


def test_stopping_finishes_what_was_handed_over(store):
    committer = Committer(store, batch=200)
    committer.start()
    for n in range(50):
        committer.submit(lambda s, n=n: s.rows.append(n))
    committer.stop(timeout_s=5)
    assert store.rows == list(range(50))


def test_what_is_urgent_does_not_wait_behind_a_queue(store):
    committer = Committer(store, batch=2)
    order = []
    for number in range(6):
        committer.submit(lambda _, number=number: order.append(number))
    committer.submit(lambda _: order.append("lease"), urgent=True)
    committer.start()
    committer.stop(timeout_s=5)

    assert order == ["lease", 0, 1, 2, 3, 4, 5]


def test_what_nobody_waits_for_travels_with_what_follows(store, committer):
    done = threading.Event()
    committer.hand_over(lambda s: s.rows.append("opened"), (), patient=True)
    committer.hand_over(lambda s: s.rows.append("claimed"), (), patient=True)
    committer.hand_over(lambda s: s.rows.append("recorded"), (), lambda _, __: done.set())

    assert done.wait(5)
    assert (store.rows, store.transactions) == (["opened", "claimed", "recorded"], 1)


def test_what_nobody_waits_for_is_recorded_all_the_same(store, committer):
    done = threading.Event()
    committer.hand_over(lambda s: s.rows.append("alone"), (), lambda _, __: done.set(), patient=True)

    assert done.wait(5)
    assert store.rows == ["alone"]
