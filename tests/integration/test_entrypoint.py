"""The container's entrypoint, run for real outside a container."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from tests.harness import API_KEY, ROOT, free_port, plain_environment, wait_until

ENTRYPOINT = ROOT / "docker" / "entrypoint"
HEALTHCHECK = ROOT / "docker" / "healthcheck.py"
GRACE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["chainlets"][
    "stop_grace_period"
]


@pytest.fixture
def container(tmp_path):
    """What the image sets: the packages' python on PATH, a data folder, a port."""
    return {
        **plain_environment(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATA_DIR": str(tmp_path / "data"),
        "HOST": "0.0.0.0",
        "PORT": str(free_port()),
        "WHISPER_MODEL": "tiny.en",
        "WORKER_PROCESSES": "1",
        "ADMIN_API_KEY": API_KEY,
    }


def start(container, tmp_path, *words):
    with (tmp_path / "log").open("ab") as log:
        return subprocess.Popen([ENTRYPOINT, *words], env=container, stdout=log, stderr=log)


def answers(container):
    try:
        return httpx.get(f"http://127.0.0.1:{container['PORT']}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def healthy(container, role):
    done = subprocess.run(
        [sys.executable, HEALTHCHECK, role], env=container, capture_output=True, check=False
    )
    return done.returncode == 0


def test_role_up_serves_is_healthy_and_stops_within_its_grace(container, tmp_path):
    assert not healthy(container, "web")
    process = start(container, tmp_path, "up")
    try:
        wait_until(lambda: answers(container), timeout=60, what="/healthz to answer")
        assert healthy(container, "web")
        wait_until(lambda: healthy(container, "worker"), timeout=60, what="a worker's heartbeat", step=1)
    finally:
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(120)
    assert code == 0, (tmp_path / "log").read_text()
    assert time.monotonic() - begin < int(GRACE.removesuffix("s"))
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_roles_that_share_a_database_wait_for_the_migrations(container, tmp_path, valkey_url):
    container["REDIS_URL"] = valkey_url
    web = start(container, tmp_path, "web")
    try:
        time.sleep(2)
        assert not answers(container)
        assert start(container, tmp_path, "migrate").wait(60) == 0
        wait_until(lambda: answers(container), timeout=60, what="/healthz to answer")
        # A second migration finds nothing to do.
        assert start(container, tmp_path, "migrate").wait(60) == 0
        assert (tmp_path / "log").read_text().count("log in:") == 1
    finally:
        web.send_signal(signal.SIGTERM)
        web.wait(30)


def test_a_volume_of_another_user_is_said_in_one_line(container, tmp_path):
    (tmp_path / "data").touch()
    assert start(container, tmp_path, "up").wait(10) == 1
    said = (tmp_path / "log").read_text()
    assert said.count("\n") == 1
    assert "cannot be written by user" in said
