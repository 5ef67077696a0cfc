"""A Celery application as anybody has one, on the broker that our workers use."""

import os
from pathlib import Path

from celery import Celery

app = Celery("plain", broker=os.environ["REDIS_URL"])
app.conf.broker_transport_options = {"global_keyprefix": "chainlets."}
app.conf.update(task_ignore_result=True, task_default_queue="plain", worker_hijack_root_logger=False)


@app.task(name="plain.write")
def write(path: str, text: str) -> None:
    """Leave a trace."""
    Path(path).write_text(text)
