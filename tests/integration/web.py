"""What tests of the web edges share: sounds, people, runs."""

import io
import struct
import wave
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from webapp.catalog.services import current_catalog
from webapp.runs.models import Event, Invocation, Run, State


def wav(seconds: float = 0.1, rate: int = 8000) -> bytes:
    """A small WAV file of silence."""
    sink = io.BytesIO()
    with wave.open(sink, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(struct.pack("<h", 0) * int(seconds * rate))
    return sink.getvalue()


def multipart(
    content: bytes, *, name: str = "a.wav", field: str = "file", kind: str = "audio/wav"
) -> tuple[bytes, str]:
    """A multipart body as browsers make it, with any name; and its content type."""
    head = f'--frontier\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
    return head.encode() + content + b"\r\n--frontier--\r\n", "multipart/form-data; boundary=frontier"


def make_run(owner: User, *, chain: str = "hello", state: str = State.QUEUED, **values: Any) -> Run:
    """A run's row with its root, without anybody being told."""
    version = current_catalog().versions[chain]
    run = Run.objects.create(
        owner=owner, chain=version.chain, version=version, state=state, **{"input": {}, **values}
    )
    Invocation.objects.create(
        run=run, chainlet=version.entrypoint, queue="cpu", state=state, input={}, input_hash="0"
    )
    return run


def add_events(run: Run, count: int, *, size: int = 0) -> None:
    """More history for a run."""
    first = run.last_seq + 1
    now = timezone.now()
    Event.objects.bulk_create(
        Event(run=run, seq=first + offset, at=now, type="progress", data={"done": offset, "pad": "x" * size})
        for offset in range(count)
    )
    run.last_seq += count
    run.save(update_fields=["last_seq"])
