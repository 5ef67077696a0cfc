"""The fold of a run's events: everything there is to show of a run, from its history alone.

Its twin is frontend/src/run/fold.ts; tests/data/fold_cases.json describes the view and holds both
to the same answers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

View = dict[str, Any]
_LINE = ("level", "message", "fields")
_PLACE = ("seconds", "file", "line", "name", "code")
_ENDED_BY = {"worker_lost": "lost", "resumed": "lost", "handed_back": "handed_back"}


def empty() -> View:
    """The view of no events."""
    return {
        "seq": 0,
        "chain": "",
        "version": None,
        "title": "",
        "state": "queued",
        "created_at": None,
        "started_at": None,
        "ended_at": None,
        "progress": None,
        "warnings": [],
        "waiting_for": [],
        "error": None,
        "invocations": {},
        "duration": None,
        "peaks": None,
        "language": None,
        "pieces": [],
    }


def fold(view: View, events: Iterable[Mapping[str, Any]]) -> View:
    """Add events, in rising order of seq, to a view; those it already holds change nothing.

    Args:
        view: changed in place and returned.
        events: {seq, at, type, invocation, data}, as the API sends them.
    """
    for event in events:
        if event["seq"] <= view["seq"]:
            continue
        view["seq"] = event["seq"]
        kind, _, step = event["type"].partition(".")
        data = event["data"]
        if kind == "run":
            _fold_run(view, step, event["at"], data)
        elif kind == "invocation":
            _fold_invocation(view["invocations"], step, event, data)
        elif kind == "partial":
            _fold_partial(view, event["at"], data)
        elif kind == "progress":
            view["progress"] = dict(data)
        elif kind == "log":
            _fold_invocation(view["invocations"], "log", event, data)
        elif kind == "warning" and data["message"] not in view["warnings"]:
            view["warnings"].append(data["message"])
    return view


def _fold_run(view: View, step: str, at: str, data: Mapping[str, Any]) -> None:
    if step == "created":
        view.update(chain=data["chain"], version=data["version"], title=data["title"], created_at=at)
    elif step == "started":
        view.update(state="running", started_at=view["started_at"] or at)
    elif step == "resumed":
        view.update(state="queued", ended_at=None, error=None, waiting_for=[])
    elif step == "unserved":
        view["waiting_for"] = [dict(wait) for wait in data["queues"]]
    elif step in ("succeeded", "failed", "cancelled"):
        view.update(state=step, ended_at=at, waiting_for=[])
        if step == "failed":
            view["error"] = data.get("error")


def _fold_invocation(
    calls: dict[str, View], step: str, event: Mapping[str, Any], data: Mapping[str, Any]
) -> None:
    at, id_ = event["at"], event["invocation"]
    if step == "queued":
        calls[id_] = {
            "chainlet": data["chainlet"],
            "parent": data.get("parent"),
            "queue": data["queue"],
            "state": "queued",
            "attempt": 0,
            "waiting": False,
            "kept": False,
            "queued_at": at,
            "ended_at": None,
            "error": None,
            "logs": [],
            "blocked": [],
            "output": None,
            "attempts": [],
        }
        return
    call = calls.get(id_)
    if call is None:
        return
    again = {"state": "queued", "waiting": False, "queued_at": at, "ended_at": None}
    if step == "started":
        _close(call, "lost", at)
        call["attempts"].append(
            {
                "number": data["attempt"],
                "worker": data["worker"],
                "hardware": data["hardware"],
                "state": "running",
                "queued_at": call["queued_at"],
                "started_at": at,
                "ended_at": None,
                "error": None,
            }
        )
        call.update(state="running", waiting=False, attempt=data["attempt"], output=None)
    elif step == "waiting":
        call["waiting"] = True
    elif step in ("succeeded", "cancelled"):
        _close(call, step, at)
        call.update(state=step, waiting=False, ended_at=at)
    elif step == "failed":
        _close(call, _ENDED_BY.get(data.get("reason", ""), "failed"), at, data.get("error"))
        final = data.get("retry_in") is None
        call.update(
            {"state": "failed", "waiting": False, "ended_at": at, "error": data.get("error")}
            if final
            else again
        )
    elif step == "requeued":
        _close(call, _ENDED_BY.get(data["reason"], "lost"), at)
        call.update(again, error=None)
    elif step == "kept":
        call["kept"] = True
    else:
        _fold_said(call, step, at, data)


def _fold_said(call: View, step: str, at: str, data: Mapping[str, Any]) -> None:
    """What a call says while it works: lines of its log, that it blocked its loop, pieces of its stream."""
    if step == "log":
        call["logs"].append({"at": at, **{key: data[key] for key in _LINE}})
    elif step == "blocked":
        call["blocked"].append({"at": at, **{key: data[key] for key in _PLACE}})
    elif step == "output" and data["attempt"] == call["attempt"]:
        so_far = call["output"] or {"pieces": 0, "text": "", "bytes": 0}
        if data["index"] >= so_far["pieces"]:
            call["output"] = {
                "pieces": data["index"] + 1,
                "text": so_far["text"] + data.get("text", ""),
                "bytes": so_far["bytes"] + _decoded_size(data.get("base64", "")),
            }


def _decoded_size(base64: str) -> int:
    return len(base64) // 4 * 3 - base64[-2:].count("=")


def _close(call: View, state: str, at: str, error: Any = None) -> None:
    """End the last attempt if it is still open."""
    last = call["attempts"][-1] if call["attempts"] else None
    if last is not None and last["ended_at"] is None:
        last.update(state=state, ended_at=at, error=error)


def _fold_partial(view: View, at: str, data: Mapping[str, Any]) -> None:
    kind = data.get("kind")
    done = {piece["index"]: piece for piece in view["pieces"] if piece["done"]}
    if kind == "audio":
        view.update(duration=data["duration"], peaks=data.get("peaks"))
    elif kind == "language":
        view["language"] = {"language": data["language"], "probability": data["probability"]}
    elif kind == "plan":
        # A recording is planned while it is decoded: these are the pieces from `first` on.
        first = data.get("first", 0)
        view["pieces"] = [piece for piece in view["pieces"] if piece["index"] < first] + [
            done[index]
            if index in done and [done[index]["start"], done[index]["end"]] == [start, end]
            else {"index": index, "start": start, "end": end, "done": False, "done_at": None, "segments": []}
            for index, (start, end) in enumerate(data["pieces"], start=first)
        ]
    elif kind == "piece":
        piece = {
            "index": data["index"],
            "start": data["start"],
            "end": data["end"],
            "done": True,
            "done_at": done[data["index"]]["done_at"] if data["index"] in done else at,
            "segments": data.get("segments", []),
        }
        others = [other for other in view["pieces"] if other["index"] != data["index"]]
        view["pieces"] = sorted([*others, piece], key=lambda one: one["index"])
