"""The first thing a newcomer sees: one recording, transcribed through the REST API like anybody's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from django.contrib.auth.models import User
from django.utils import timezone

from webapp.accounts.services import create_key, revoke_key
from webapp.fleet.console import Console
from webapp.fleet.preflight import StartRefused

SAMPLE = Path(__file__).resolve().parents[2] / "chainlets" / "chains" / "transcribe" / "sample" / "jfk.wav"
POLL = 0.15  # seconds between two looks at the run's events
_KEY_LIFE = timedelta(days=1)  # in case the process is killed before it can revoke the key
_FINAL = frozenset({"run.succeeded", "run.failed", "run.cancelled"})


class DemoFailed(Exception):
    """The recording was not transcribed. The message says why."""


@contextlib.asynccontextmanager
async def short_lived_key() -> AsyncIterator[str]:
    """An API key of the first administrator that ends with the block."""
    new = await asyncio.to_thread(_make_key)
    try:
        yield new.key
    finally:
        await asyncio.to_thread(revoke_key, record=new.record)


async def transcribe(*, base_url: str, key: str, audio: Path, console: Console) -> str:
    """Upload `audio`, start a run, show its progress, and return the transcript as plain text.

    Raises:
        DemoFailed: the API refused something, or the run did not succeed.
    """
    headers = {"Authorization": f"Bearer {key}"}
    # Between two answers there may be a long quiet: the web process may still be starting.
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=300, trust_env=False) as api:
        with audio.open("rb") as content:
            file = _body(await api.post("/api/files", files={"file": (audio.name, content)}))
        given = {"chain": "transcribe", "input": {"audio": file["id"]}, "title": audio.stem}
        run = _body(await api.post("/api/runs", json=given))
        await _follow(api, run["id"], console)
        transcript = await api.get(f"/api/runs/{run['id']}/transcript.txt")
        if transcript.is_error:
            _body(transcript)
        return transcript.text.strip()


async def _follow(api: httpx.AsyncClient, run_id: str, console: Console) -> None:
    console.progress(0, "Waiting for a worker")
    after = 0
    try:
        while True:
            page = _body(await api.get(f"/api/runs/{run_id}/events", params={"after": after}))
            for event in page["events"]:
                after = event["seq"]
                _show(event, console)
                if event["type"] in _FINAL:
                    return
            if not page["events"]:
                await asyncio.sleep(POLL)
    finally:
        console.end_progress()


def _show(event: dict[str, Any], console: Console) -> None:
    data = event["data"]
    match event["type"]:
        case "progress" if data.get("total"):
            console.progress(data["done"] / data["total"], data.get("message") or "Working")
        case "warning":
            console.say(f"chainlets: {data['message']}")
        case "run.failed":
            raise DemoFailed(f"The run failed: {data['error']['message']}")
        case "run.cancelled":
            raise DemoFailed("The run was cancelled.")


def _body(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json()
    try:
        reason = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        reason = f"the server answered {response.status_code}"
    raise DemoFailed(f"{response.request.url.path}: {reason}")


def _make_key() -> Any:
    user = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if user is None:
        raise StartRefused(
            "There is no active administrator to transcribe the sample for. "
            "Make one with `.venv/bin/python manage.py createsuperuser`."
        )
    return create_key(user=user, name="scripts/run", expires_at=timezone.now() + _KEY_LIFE)
