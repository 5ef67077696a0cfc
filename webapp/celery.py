"""The composition root: Celery, the engine, the database and the chains are put together here."""

import fnmatch
import os
import re
import socket
import sys
import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import django
from celery import Celery
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
if not apps.ready:
    django.setup(set_prefix=False)

from django.conf import settings

from chainlets.runtime import remote_control, tasks, transport
from chainlets.runtime.engine import Engine, Surroundings
from chainlets.runtime.mailbox import Mailbox
from chainlets.runtime.measuring import ThisMachine
from chainlets.runtime.sockets import worker_socket
from chainlets.runtime.spilling import Sizes
from chainlets.runtime.store import NewCall, WorkerIdentity
from chainlets.runtime.tasks import Bell, task_name
from webapp.catalog.services import loaded_chains, loader
from webapp.fleet import hardware, warm
from webapp.runs.doorbell import doorbell
from webapp.runs.revoking import cancel_invocations
from webapp.runs.run_files import RunFiles
from webapp.runs.store import DatabaseRunStore

#: A worker's exit code when something it was told to preload cannot be had.
EXIT_CONFIG = 78


class ChainletsCelery(Celery):
    """Celery, knowing the chains and how to make an engine for a worker."""

    patterns: Sequence[str] = ()
    slots: int = 1
    consumer: Any = None
    engine: Engine | None = None

    def learn_chains(self) -> None:
        """Make tasks of chains that are new, and serve their queues if they match the worker's patterns."""
        loaded = loaded_chains()
        for chain in loaded.chains.values():
            tasks.register(self, chain)
        if self.consumer is None or self.engine is None:
            return
        built = tuple(tasks.task_name(chain.name, chainlet.name) for chain, chainlet in self.engine.warm())
        self.engine.identity = replace(self.engine.identity, warm=built)
        served = self.engine.identity.queues
        new = [queue for queue in matching(self.patterns, loaded.queues) if queue not in served]
        if new:
            self.engine.identity = replace(self.engine.identity, queues=(*served, *new))
            for queue in new:
                self.consumer.hub.call_soon(self.consumer.add_task_queue, queue)

    def new_engine(self) -> Engine:
        """The engine of a worker process."""
        slot = os.environ.get("WORKER_SLOT", "worker")
        host = socket.gethostname()
        own = warm.own_queue(slot=slot, host=host)
        identity = WorkerIdentity(
            name=f"{slot}@{host}-{os.getpid()}-{uuid.uuid4().hex[:6]}",
            slot=slot,
            host=host,
            pid=os.getpid(),
            hardware=hardware.detect(),
            queues=tuple(queue for queue in self.amqp.queues.consume_from if queue != own),
            slots=self.slots,
        )
        settings.FILES_DIR.mkdir(parents=True, exist_ok=True)
        surroundings = Surroundings(
            store=DatabaseRunStore(),
            find=loader().find,
            files=RunFiles,
            scratch=settings.FILES_DIR / "scratch",
            data_dir=settings.DATA_DIR / "chains",
            mailbox=lambda worker, deliver: Mailbox(url=settings.REDIS_URL, worker=worker, deliver=deliver),
            sockets=lambda invocation: worker_socket(url=settings.REDIS_URL, conversation=invocation),
            secrets=secrets(),
            on_tick=self.learn_chains,
            sizes=Sizes(inline=settings.VALUE_INLINE_BYTES, most=settings.VALUE_MAX_BYTES),
            # Asked each time: remote control may have it serve other queues.
            serves=lambda queue: {queue, own} <= self.amqp.queues.consume_from.keys(),
            ring_here=lambda call: self.ring_here(call, own),
            passed_on=self.passed_on,
            machine=ThisMachine(limit=settings.WORKER_MEMORY),
        )
        doorbell.own_worker = identity.name
        self.engine = Engine(identity=identity, surroundings=surroundings)
        return self.engine

    def ring_here(self, call: NewCall, own: str) -> None:
        """Have this worker answer the bell of a call; by its `own` queue if it has to go through the broker."""
        task = task_name(call.chain, call.chainlet)
        if not self.consumer.take_own(task=task, id=str(call.id)):
            doorbell.send([Bell(chain=call.chain, chainlet=call.chainlet, queue=own, invocation_id=call.id)])

    def ring(self, bell: Bell) -> None:
        """Put a bell into its queue, behind those that are there."""
        doorbell.send([bell])

    def cancel_invocations(self, ids: Collection[UUID]) -> set[str]:
        """Cancel calls of chainlets that remote control revokes; those of the ids that are such calls."""
        return {str(id) for id in cancel_invocations(ids, by="remote control")}

    def passed_on(self, chain: str, chainlet: str, invocation_id: UUID) -> bool:
        """Whether an idle worker that has a chainlet built has taken a call of it in our place."""
        assert self.engine is not None
        return warm.passed_on(
            chain=chain,
            chainlet=chainlet,
            invocation_id=invocation_id,
            worker=self.engine.identity,
            ring=lambda bell: doorbell.send([bell]),
        )

    def preload(self, engine: Engine) -> None:
        """Build what the settings ask for and this worker serves; end the process if that fails."""
        served = set(self.amqp.queues.consume_from)
        for wanted in settings.PRELOAD:
            chain, _, chainlet = wanted.rpartition(".")
            found = loaded_chains().find(chain, chainlet)
            if found is None or found[1].queue not in served:
                continue
            try:
                engine.preload(chain, chainlet)
            except Exception as error:  # noqa: BLE001 (whatever it is, the operator reads it)
                sys.stderr.write(f"{chain}.{chainlet} cannot be loaded: {error}\n")
                sys.stderr.flush()
                # Not SystemExit: threads of half-loaded models would keep the process.
                os._exit(EXIT_CONFIG)


def matching(patterns: Sequence[str], queues: Sequence[str]) -> list[str]:
    """The queues that a worker told `patterns` serves: names as they are, and `gpu.*` for all there are."""
    found = [q for p in patterns for q in (fnmatch.filter(queues, p) if "*" in p else [p])]
    return list(dict.fromkeys(found))


def secrets() -> dict[str, str]:
    """Values for `Assets(secret_keys=[…])`, from CHAINLETS_SECRET_<KEY>, by lower-case and upper-case key."""
    prefix = "CHAINLETS_SECRET_"
    given = {
        name.removeprefix(prefix): value for name, value in os.environ.items() if name.startswith(prefix)
    }
    return {**given, **{key.lower(): value for key, value in given.items()}}


transport.register()
app = ChainletsCelery("chainlets")
app.conf.update(
    broker_url=re.sub(r"^unix://", "chainlets+socket://", settings.REDIS_URL).replace(
        "redis://", "chainlets://", 1
    ),
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "global_keyprefix": settings.BROKER_PREFIX,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "priority_steps": [0],
        # Rows keep what a worker holds, by leases; the broker need not note it as well.
        "ack_emulation": False,
        "queue_order_strategy": "round_robin",
    },
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_ignore_result=True,
    task_acks_late=True,
    task_default_queue="cpu",
    task_create_missing_queues=True,
    worker_prefetch_multiplier=1,
    worker_consumer="chainlets.runtime.consumer:ChainletsConsumer",
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    worker_enable_remote_control=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)
app.learn_chains()
__all__ = ["app", "doorbell", "matching", "remote_control"]
