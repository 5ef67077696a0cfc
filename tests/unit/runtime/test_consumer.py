"""Which messages go the short way from the broker to the pool, and how their text is read."""

import json
from types import SimpleNamespace
from uuid import uuid4

import pytest
from celery import Celery
from celery.worker import state
from kombu.utils.json import dumps

from chainlets.runtime import transport
from chainlets.runtime.consumer import ChainletsConsumer, OwnBell
from chainlets.runtime.pool import ChainletPool
from chainlets.runtime.tasks import Bell, BellFounder, ChainletTask

app = Celery("bells", broker="memory://", set_as_current=False)
app.register_task(type("Greeter", (ChainletTask,), {"name": "hello.Greeter"})())


@app.task(name="plain.write")
def write():
    pass


def bell():
    text = BellFounder(app).message(
        Bell(chain="hello", chainlet="Greeter", queue="cpu", invocation_id=uuid4())
    )
    return transport._read(text.encode())


@pytest.fixture
def consumer():
    found = ChainletsConsumer.__new__(ChainletsConsumer)
    found.app, found.task_buckets, found.on_task_message = app, {"hello.Greeter": None}, set()
    found.event_dispatcher = SimpleNamespace(enabled=True, groups=["worker"])
    found._maximum_prefetch_restored, found.restart_count = True, 0
    return found


@pytest.fixture
def own(consumer):
    answered, pool = [], ChainletPool.__new__(ChainletPool)
    pool.answer = answered.append
    qos = transport.QoS(SimpleNamespace(do_restore=False), prefetch_count=4)
    consumer.pool = pool
    consumer.task_consumer = SimpleNamespace(channel=SimpleNamespace(qos=qos))
    consumer.hub = SimpleNamespace(call_soon=lambda _: None)
    consumer._turn = None
    return SimpleNamespace(consumer=consumer, answered=answered, qos=qos)


@pytest.fixture
def is_plain(consumer):
    channel = app.connection_for_read().channel()
    return lambda raw: consumer._plain(channel.Message(raw, channel=channel)) is not None


def test_a_bell_of_ours_is_plain(is_plain):
    assert is_plain(bell())


@pytest.mark.parametrize(
    "more",
    [
        {"eta": "2026-01-01T00:00:00+00:00"},
        {"expires": "2026-01-01T00:00:00+00:00"},
        {"shadow": "another"},
        {"stamped_headers": ["by"]},
        {"task": "plain.write"},
        {"task": "unknown"},
        {"id": None},
    ],
)
def test_a_message_that_asks_for_more_is_not(is_plain, more):
    raw = bell()
    raw["headers"].update(more)
    assert not is_plain(raw)


@pytest.mark.parametrize("headers", [{}, None])
def test_nor_is_one_of_an_old_client(is_plain, headers):
    assert not is_plain(bell() | {"headers": headers})


def test_nor_is_one_with_arguments(is_plain):
    assert not is_plain(bell() | {"body": "W1sxXSwge30sIHt9XQ=="})


def test_nor_is_one_that_was_revoked(is_plain):
    raw = bell()
    state.revoked.add(raw["headers"]["id"])
    assert not is_plain(raw)
    state.revoked.discard(raw["headers"]["id"])


@pytest.mark.parametrize(
    "change",
    [
        {"task_buckets": {"hello.Greeter": object()}},
        {"event_dispatcher": SimpleNamespace(enabled=True, groups=["worker", "task"])},
        {"event_dispatcher": SimpleNamespace(enabled=True, groups=None)},
        {"on_task_message": {print}},
        {"_maximum_prefetch_restored": False, "restart_count": 1},
    ],
)
def test_none_is_while_the_worker_has_to_count_or_to_tell(consumer, is_plain, change):
    vars(consumer).update(change)
    assert not is_plain(bell())


def test_what_a_worker_rings_for_itself_counts_as_a_message_until_it_is_acknowledged():
    channel = SimpleNamespace(do_restore=False)
    qos = transport.QoS(channel, prefetch_count=3)
    bell = OwnBell(task="hello.Greeter", id="1", qos=qos)
    qos.append("a message", "tag")
    qos.own.update({"1", "2"})
    assert not qos.can_consume()
    assert qos.can_consume_max_estimate() == 0

    bell.ack()
    assert qos.can_consume()
    assert qos.can_consume_max_estimate() == 1

    qos.ack("tag")
    assert qos.can_consume_max_estimate() == 2


@pytest.mark.parametrize("count", [None, 0])
def test_without_a_prefetch_count_there_is_always_room(count):
    qos = transport.QoS(SimpleNamespace(do_restore=False), prefetch_count=count)
    qos.own.add("1")
    assert qos.can_consume()
    assert qos.can_consume_max_estimate() is None


def test_a_bell_for_oneself_goes_to_the_pool(own):
    assert own.consumer.take_own(task="hello.Greeter", id="1")
    (request,) = own.answered
    assert (request.id, request.name) == ("1", "hello.Greeter")
    assert own.qos.own == {"1"}
    assert request in state.reserved_requests

    request.acknowledge()
    assert own.qos.own == set()


@pytest.mark.parametrize(
    "change",
    [
        {"task_consumer": None},
        {"event_dispatcher": SimpleNamespace(enabled=True, groups=None)},
        {"task_buckets": {"hello.Greeter": object()}},
    ],
    ids=["no connection", "somebody listens", "a rate limit"],
)
def test_it_goes_through_the_broker_where_celery_has_more_to_do(own, change):
    vars(own.consumer).update(change)
    assert not own.consumer.take_own(task="hello.Greeter", id="1")
    assert not own.answered
    assert own.qos.own == set()


@pytest.mark.parametrize("value", [{"id": uuid4()}, {"at": float("inf")}, {"word": "é"}])
def test_messages_are_read_as_kombu_writes_them(value):
    assert transport._read(dumps(value).encode()) == value


def test_what_is_no_message_is_an_error_as_before():
    with pytest.raises(json.JSONDecodeError):
        transport._read(b"{")
