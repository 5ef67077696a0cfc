"""What a call of a chainlet costs, durable as always, against stock Celery, Ray and the bare broker.

    python benchmarks/dispatch.py [--rounds 5] [--counts 1000,10000] [--ray PYTHON]

Every side does the same: calls that do nothing, all at once or one after another, on this machine. Sides
take turns, round by round. `--ray` names the Python of a virtual environment that has Ray. The last
line is one JSON object; ratios above 1 say how many times faster than a peer, or slower than the floor.
"""  # noqa: INP001 (a command, not a package)

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).resolve().parent / "dispatch_peers"
sys.path.insert(0, str(ROOT))

import redis  # noqa: E402

from tests.harness import POSTGRES, Stack, postgres, valkey  # noqa: E402

CALLS = 200  # made one after another


class Ours:
    """A whole system, started as its users do, on one database."""

    def __init__(self, name: str, folder: Path, database_url: str | None) -> None:
        env = {"CHAINS": "chainlets.chains.hello", "CHAINS_DIR": str(PEERS), "WORKER_PROCESSES": "1"}
        self.name = name
        self._stack = Stack(
            data_dir=folder / "data", env=env | ({"DATABASE_URL": database_url} if database_url else {})
        )

    def __enter__(self) -> Self:
        self._stack.start()
        self._run(count=20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.stop()

    def fanout(self, count: int) -> float:
        """Seconds for calls made at once."""
        return self._run(count=count)[0]

    def one_by_one(self) -> list[float]:
        """Seconds for each call made after another."""
        return self._run(count=CALLS, at_once=False)

    def _run(self, **given: Any) -> list[float]:
        run = self._stack.wait_run(self._stack.start_run("dispatch", **given), timeout=900)
        assert run["state"] == "succeeded", run["error"]
        took: list[float] = run["output"]
        return took


def floor(url: str) -> list[float]:
    """Seconds for each round trip through the broker: two lists, two threads, nothing else."""

    def answer() -> None:
        with redis.Redis.from_url(url) as mine:
            for _ in range(CALLS):
                mine.rpush("answer", mine.blpop(["question"])[1])

    thread = threading.Thread(target=answer)
    thread.start()
    took = []
    with redis.Redis.from_url(url) as mine:
        for number in range(CALLS):
            begin = time.perf_counter()
            mine.rpush("question", number)
            mine.blpop(["answer"])
            took.append(time.perf_counter() - begin)
    thread.join()
    return took


def peer(python: str, file: str, *words: object) -> Any:
    """What a peer's own program measured."""
    command = [python, str(PEERS / file), *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


@contextlib.contextmanager
def systems() -> Iterator[tuple[list[Ours], str]]:
    """Ours on each database there is, and the address of a broker for the peers."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("sqlite", "postgresql", "broker"):
            (folder / name).mkdir()
        url = stack.enter_context(valkey(folder / "broker"))
        found = [stack.enter_context(Ours("sqlite", folder / "sqlite", None))]
        if (POSTGRES / "postgres").exists():
            database = stack.enter_context(postgres(folder / "postgresql"))
            found.append(stack.enter_context(Ours("postgresql", folder / "postgresql", database)))
        yield found, url


def say(text: str) -> None:
    """Write a line for people."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def measure(rounds: int, counts: list[int], ray: str | None) -> dict[str, list[float]]:
    """Seconds by what was measured, a figure for each round."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    with systems() as (ours, url):
        plain = url.replace("redis+socket://", "unix://")
        for number in range(rounds):
            for count in counts:
                for one in ours:
                    seconds[f"{one.name} {count}"].append(one.fanout(count))
                seconds[f"celery {count}"] += peer(sys.executable, "stock_celery.py", url, count, 1)
                if ray:
                    found = peer(ray, "ray_tasks.py", count, 1)
                    seconds[f"ray {count}"] += found["fanout"]
                    seconds["ray call"].append(
                        min(statistics.median(found["task"]), statistics.median(found["actor"]))
                    )
            for one in ours:
                seconds[f"{one.name} call"].append(statistics.median(one.one_by_one()))
            seconds["floor call"].append(statistics.median(floor(plain)))
            say(
                f"round {number + 1} of {rounds}: "
                + ", ".join(f"{k} {v[-1]:.4f} s" for k, v in seconds.items())
            )
    return seconds


def ratios(seconds: dict[str, list[float]], counts: list[int]) -> dict[str, float | None]:
    """The figures that are promised, from medians over rounds of pairs."""

    def faster(ours: str, theirs: str) -> float | None:
        pairs = list(zip(seconds.get(ours, []), seconds.get(theirs, []), strict=False))
        return round(statistics.median(b / a for a, b in pairs), 2) if pairs else None

    found: dict[str, float | None] = {}
    for count in counts:
        found[f"fanout_{count}_vs_ray"] = faster(f"sqlite {count}", f"ray {count}")
        found[f"fanout_{count}_vs_celery"] = faster(f"sqlite {count}", f"celery {count}")
        found[f"fanout_{count}_postgresql_vs_celery"] = faster(f"postgresql {count}", f"celery {count}")
    found["call_p50_ms"] = round(statistics.median(seconds["sqlite call"]) * 1000, 2)
    found["call_p50_vs_ray"] = faster("sqlite call", "ray call")
    found["call_p50_vs_floor"] = faster("floor call", "sqlite call")
    return found


def main() -> None:
    """Measure, show a table, and end with one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--counts", default="1000,10000")
    parser.add_argument("--ray", help="the Python of a virtual environment that has Ray")
    given = parser.parse_args()
    counts = [int(count) for count in given.counts.split(",")]
    seconds = measure(given.rounds, counts, given.ray)
    for name, found in sorted(seconds.items()):
        count = int(name.split()[-1]) if name.split()[-1].isdigit() else 1
        median = statistics.median(found)
        say(f"{name:<20} {median:9.4f} s   {count / median:10.0f} calls/s")
    sys.stdout.write(f"{json.dumps(ratios(seconds, counts))}\n")


if __name__ == "__main__":
    main()
