"""People and clients for tests of the web edges."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from django.contrib.auth.models import User
from django.test import Client

from tests.harness import ROOT, Stack, free_port, plain_environment, wait_until
from webapp.accounts.services import create_key

WEB_KEY = "key-for-the-tests-of-the-web-process"
WEB_PASSWORD = "correct horse battery staple"
WEB_LIMIT = 2 * 1024 * 1024  # bytes an upload may have


@pytest.fixture
def files_dir(settings: Any, tmp_path: Path) -> Path:
    """An empty file store."""
    settings.FILES_DIR = tmp_path / "files"
    return tmp_path / "files"


@pytest.fixture
def alice(db: None) -> User:
    """Somebody."""
    return User.objects.create_user("alice", password="wonderland 1865")


@pytest.fixture
def bob(db: None) -> User:
    """Somebody else."""
    return User.objects.create_user("bob", password="builder 1999 yes")


@pytest.fixture
def by_key() -> Callable[[User], Client]:
    """Makes a client that sends an API key of the user."""

    def make(user: User) -> Client:
        key = create_key(user=user, name="test").key
        return Client(headers={"Authorization": f"Bearer {key}"}, raise_request_exception=False)

    return make


@pytest.fixture
def api(by_key: Callable[[User], Client], alice: User) -> Client:
    """Alice, by key."""
    return by_key(alice)


@pytest.fixture
def others(by_key: Callable[[User], Client], bob: User) -> Client:
    """Bob, by key."""
    return by_key(bob)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system without models, on each database; its CHAINS_DIR is a folder that tests may write to."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "chains").mkdir()
    for name in ("engine.py", "again.py", "large.py"):
        shutil.copy(ROOT / "tests" / "chains" / name, folder / "chains")
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(folder / "chains"),
        "WORKER_PROCESSES": "1",
    }
    if request.param == "postgresql":
        env["DATABASE_URL"] = request.getfixturevalue("new_database")()
    stack = Stack(data_dir=folder / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


@dataclass(frozen=True, kw_only=True)
class Web:
    """A web process of its own."""

    url: str
    pid: int
    data_dir: Path

    def client(self, **headers: str) -> httpx.Client:
        """A client with the admin's key, unless other headers are given."""
        given = headers or {"Authorization": f"Bearer {WEB_KEY}"}
        return httpx.Client(base_url=self.url, headers=given, timeout=30, trust_env=False)


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[Web]:
    """The real web process on a new database, with a small limit for uploads; no workers."""
    data_dir = tmp_path_factory.mktemp("web")
    port = free_port()
    env = plain_environment() | {
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "REDIS_URL": valkey_url,
        "ADMIN_API_KEY": WEB_KEY,
        "ADMIN_PASSWORD": WEB_PASSWORD,
        "MAX_UPLOAD_BYTES": str(WEB_LIMIT),
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
    }
    for command in (["migrate", "-v0"], ["ensure_admin"]):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=env, check=True, capture_output=True
        )
    log = (data_dir / "web.log").open("wb")
    serve = [sys.executable, "manage.py", "web"]
    process = subprocess.Popen(serve, cwd=ROOT, env=env, stdout=log, stderr=log)
    server = Web(url=f"http://127.0.0.1:{port}", pid=process.pid, data_dir=data_dir)
    try:
        wait_until(lambda: _answers(server.url), timeout=30, what=f"the web process; see {log.name}")
        yield server
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def slots_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system without models whose chain `slots` holds slots; every test leaves its workers as they were."""
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "1",
    }
    house = Stack(data_dir=tmp_path_factory.mktemp("slots") / "data", env=env)
    try:
        yield house.start()
    finally:
        house.stop()


@pytest.fixture(scope="session")
def celery_client(slots_house: Stack) -> Iterator[Celery]:
    """A stock Celery application that knows nothing of that system but its broker's address and prefix."""
    client = Celery("stock", broker=slots_house.environment_of("cpu")["REDIS_URL"], set_as_current=False)
    client.conf.broker_transport_options = {"global_keyprefix": "chainlets."}
    client.conf.task_ignore_result = True
    yield client
    client.close()


@pytest.fixture
def cpu_worker(celery_client: Celery) -> str:
    """The name that Celery knows the worker of the queue `cpu` by."""
    found = celery_client.control.inspect(timeout=3, limit=2).ping() or {}
    return next(name for name in found if name.startswith("cpu-"))
