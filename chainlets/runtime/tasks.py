"""One Celery task for each chainlet, named `chain.Chainlet`.

The task id of a message is the id of the invocation. The message carries nothing else: it is a
doorbell, and the row says what is to be done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import Celery, Task
from celery.worker.consumer import Consumer
from kombu import Connection, Queue

from chainlets.graph import Chain
from chainlets.runtime.reconnecting import connect_patiently


class ChainletTask(Task[Any, Any]):
    """A chainlet as Celery sees it. Run by `ChainletPool`; other pools refuse it."""

    abstract = True
    Request = "chainlets.runtime.message:CallRequest"
    acks_late = True
    ignore_result = True
    chain: str
    chainlet: str

    def run(self, *_: Any, **__: Any) -> None:
        """Never reached inside a ChainletPool."""
        msg = "Chainlets run in a worker started by `manage.py worker`, or with `-P custom`."
        raise RuntimeError(msg)


def task_name(chain: str, chainlet: str) -> str:
    """The name of a chainlet's Celery task."""
    return f"{chain}.{chainlet}"


def register(app: Celery, chain: Chain) -> None:
    """Make a task of every chainlet in a chain; again is harmless."""
    for descriptor in chain.chainlets.values():
        name = task_name(chain.name, descriptor.name)
        if name not in app.tasks:
            members = {"name": name, "chain": chain.name, "chainlet": descriptor.name}
            app.register_task(type(descriptor.name, (ChainletTask,), members)())


@dataclass(frozen=True, kw_only=True)
class Bell:
    """Work waits on a queue."""

    chain: str
    chainlet: str
    queue: str
    invocation_id: UUID


def ring(app: Celery, bells: Iterable[Bell]) -> None:
    """Tell the workers of queues what waits there, many bells with one write to the broker.

    Each is an ordinary task message. It takes Celery's own way of making one, and leaves out what
    `send_task` asks anew for every message, which here has the same answer each time.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the reconciler will ring again.
    """
    with app.producer_or_acquire() as producer, producer.batch():
        for bell in bells:
            name, id = task_name(bell.chain, bell.chainlet), str(bell.invocation_id)
            message = app.amqp.as_task_v2(id, name, root_id=id, ignore_result=True)
            queue = Queue(bell.queue, routing_key=bell.queue)
            app.amqp.send_task_message(producer, name, message, queue=queue, retry=False)


class ChainletsConsumer(Consumer):
    """Learns chains that were added while the worker runs, and soon finds a broker that is back."""

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect, however long it takes."""
        connect_patiently(conn)
        connected: Connection = super().ensure_connected(conn)
        return connected

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Look for new chains; if the task is known now, take the message again."""
        self.app.learn_chains()  # type: ignore[attr-defined]  # the composition root's own Celery
        if message.headers.get("task") in self.app.tasks:
            self.update_strategies()
            message.requeue()
        else:
            super().on_unknown_task(body, message, exc)
