"""Exits 0 if this container does its work: `healthcheck.py web` or `healthcheck.py worker`."""

import http.client
import os
import socket
import sys
from datetime import timedelta
from pathlib import Path

HEARTBEAT_LIMIT = timedelta(seconds=60)  # a busy machine may miss several beats


def web_answers() -> bool:
    """The web process answers /healthz."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8000), timeout=5)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def worker_beats() -> bool:
    """A worker of this machine, its models loaded, has written its heartbeat lately."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    import django

    django.setup()
    from django.utils import timezone

    from webapp.fleet.models import Worker

    alive = Worker.objects.filter(
        host=socket.gethostname(), heartbeat_at__gt=timezone.now() - HEARTBEAT_LIMIT
    )
    return alive.exists()


if __name__ == "__main__":
    check = {"web": web_answers, "worker": worker_beats}[sys.argv[1] if len(sys.argv) > 1 else "web"]
    sys.exit(0 if check() else 1)
