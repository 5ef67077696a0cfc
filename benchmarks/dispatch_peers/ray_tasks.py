"""Ray: tasks and an async actor that do nothing. Runs in a virtual environment that has Ray.

Run as `python ray_tasks.py COUNT ROUNDS`; prints {"fanout": [seconds …], "task": [seconds …], "actor": [seconds …]}.
"""  # noqa: INP001 (a command)

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import ray

CALLS = 200


@ray.remote
def nothing(number: int) -> int:
    """Give back the argument."""
    return number


@ray.remote
class Actor:
    """Keeps nothing."""

    async def nothing(self, number: int) -> int:
        """Give back the argument."""
        return number


def one_by_one(call: Callable[[int], Any]) -> list[float]:
    """Seconds for each of some calls, made one after another."""
    took = []
    for number in range(CALLS):
        begin = time.perf_counter()
        ray.get(call(number))
        took.append(time.perf_counter() - begin)
    return took


count, rounds = int(sys.argv[1]), int(sys.argv[2])
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
ray.get([nothing.remote(n) for n in range(20)])
fanout = []
for _ in range(rounds):
    begin = time.perf_counter()
    assert sum(ray.get([nothing.remote(n) for n in range(count)])) == count * (count - 1) // 2
    fanout.append(time.perf_counter() - begin)
actor = Actor.remote()
ray.get(actor.nothing.remote(0))
found = {"fanout": fanout, "task": one_by_one(nothing.remote), "actor": one_by_one(actor.nothing.remote)}
sys.stdout.write(f"{json.dumps(found)}\n")
