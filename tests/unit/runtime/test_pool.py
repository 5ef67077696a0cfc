"""Which time limits count for a message."""

from types import SimpleNamespace

import pytest

from chainlets.runtime.pool import ChainletPool
from chainlets.runtime.time_limits import TimeLimits


@pytest.mark.parametrize(
    ("message", "task", "worker", "counts"),
    [
        ((None, None), (None, None), (None, None), (None, None)),
        ((None, None), (None, None), (60, 50), (60, 50)),
        ((None, None), (9, 8), (60, 50), (9, 8)),
        ((None, 3), (9, 8), (60, 50), (9, 3)),
        ((4, 3), (9, 8), (60, 50), (4, 3)),
    ],
)
def test_the_message_counts_before_the_task_before_the_worker(message, task, worker, counts):
    """All are pairs of the hard limit and the soft one, as in Celery."""
    pool = ChainletPool(1, timeout=worker[0], soft_timeout=worker[1])
    given = SimpleNamespace(time_limit=task[0], soft_time_limit=task[1])
    limits = pool._limits(given, SimpleNamespace(time_limits=message))
    assert limits == TimeLimits(hard_s=counts[0], soft_s=counts[1])
