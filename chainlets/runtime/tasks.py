"""One Celery task for each chainlet, named `chain.Chainlet`.

The task id of a message is the id of the invocation. The message carries nothing else: it is a
doorbell, and the row says what is to be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from celery import Celery, Task
from kombu import Connection, Queue
from kombu.utils.json import dumps

from chainlets.graph import Chain

_ID = "00000000-1d1d-4000-8000-000000000000"
_TAG = "00000000-7a67-4000-8000-000000000000"
#: The body of a message of Celery that has no arguments, and nothing to be called afterwards.
EMPTY_BODY = dumps([[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()


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
    """Work waits on a queue; "high", "normal" or "low" says who is first."""

    chain: str
    chainlet: str
    queue: str
    invocation_id: UUID
    priority: str = "normal"


class BellFounder:
    """Writes bells as the broker keeps them: ordinary task messages of Celery.

    Celery makes one message for each task and queue, which a transport in memory hands out again. In all
    that follow only the ids differ, so they are filled in.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._casts: dict[tuple[str, str], str] = {}
        self._tag = f"{uuid4()}-"
        self._numbers = count()

    def message(self, bell: Bell) -> str:
        """The text to push to the list of the bell's queue."""
        name = task_name(bell.chain, bell.chainlet)
        cast = self._casts.get((name, bell.queue))
        if cast is None:
            cast = self._casts[name, bell.queue] = self._cast(name, bell.queue)
        return cast.replace(_ID, str(bell.invocation_id)).replace(_TAG, f"{self._tag}{next(self._numbers)}")

    def _cast(self, name: str, queue: str) -> str:
        message = self._app.amqp.as_task_v2(_ID, name, root_id=_ID, ignore_result=True)
        with Connection("memory://") as link:
            channel: Any = link.channel()
            producer = self._app.amqp.Producer(channel)
            target = Queue(queue, routing_key=queue)
            self._app.amqp.send_task_message(producer, name, message, queue=target, retry=False)
            made: dict[str, Any] = channel._get(queue)  # noqa: SLF001 (the message before any transport wraps it)
        made["properties"]["delivery_tag"] = _TAG
        return str(dumps(made))
