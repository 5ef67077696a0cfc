"""Stock Celery: prefork workers, Redis as broker and result backend, a `group` of tasks that do nothing.

Run as `python stock_celery.py URL COUNT ROUNDS`; prints seconds for each fan-out as one JSON list.
"""  # noqa: INP001 (a command)

from __future__ import annotations

import json
import subprocess
import sys
import time

from celery import Celery, group

app = Celery("stock_celery", broker=sys.argv[1] if len(sys.argv) > 1 else None)
app.conf.update(result_backend=app.conf.broker_url, broker_transport_options={"global_keyprefix": "stock."})
app.conf.update(result_backend_transport_options={"global_keyprefix": "stock."}, worker_prefetch_multiplier=4)


@app.task(name="nothing")
def nothing(number: int) -> int:
    """Give back the argument."""
    return number


def main() -> None:
    """Start a worker with two processes, warm it up, and measure."""
    url, count, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    command = [sys.executable, "-W", "ignore", "-c", _WORKER, url]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=_HERE)
    try:
        group(nothing.s(n) for n in range(10)).apply_async().get(timeout=60)
        took = []
        for _ in range(rounds):
            begin = time.perf_counter()
            numbers = group(nothing.s(n) for n in range(count)).apply_async().get(timeout=600)
            took.append(time.perf_counter() - begin)
            assert sum(numbers) == count * (count - 1) // 2
        sys.stdout.write(f"{json.dumps(took)}\n")
    finally:
        worker.terminate()
        worker.wait(30)


_HERE = __file__.rpartition("/")[0]
_WORKER = (
    "import sys; import stock_celery as s; s.app.worker_main(['worker', '-c', '2', '--without-gossip', "
    "'--without-mingle', '--loglevel', 'ERROR'])"
)

if __name__ == "__main__":
    main()
