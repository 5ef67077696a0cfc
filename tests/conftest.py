"""Fixtures with real parts. What is missing on this machine is skipped, in words."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.harness import POSTGRES, ROOT, Stack, postgres, valkey


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey server for this session, as REDIS_URL."""
    with valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server for this session, as DATABASE_URL."""
    if not (POSTGRES / "postgres").exists():
        pytest.skip(f"needs PostgreSQL's programs in {POSTGRES}")
    with postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def new_database(postgres_url: str) -> Callable[[], str]:
    """Makes databases on that server, each as DATABASE_URL: a system of a test finds nothing that another left."""
    numbers = itertools.count(1)

    def make() -> str:
        name = f"system_{next(numbers)}"
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}")
        return f"{postgres_url.rsplit('/', 1)[0]}/{name}"

    return make


@pytest.fixture(scope="module")
def chosen_database(request: pytest.FixtureRequest) -> dict[str, str]:
    """What a system is told of its database: SQLite, or with `DATABASE=postgresql` one on that server."""
    if os.environ.get("DATABASE", "sqlite") == "sqlite":
        return {}
    return {"DATABASE_URL": request.getfixturevalue("new_database")()}


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """The folder with the long recordings, which are not part of the checkout."""
    folder = Path(os.environ.get("SPEECH_DIR") or ROOT.parent / "shared" / "speech")
    if not (folder / "references.json").exists():
        pytest.skip(f"needs the test recordings: set SPEECH_DIR to their folder (looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole system, shared by all tests that leave it as they found it."""
    stack = Stack(data_dir=tmp_path_factory.mktemp("stack") / "data")
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Systems of a test's own, to be broken: `make_stack(WHISPER_MODEL="base")`; not yet started."""
    made: list[Stack] = []

    def make(**env: str) -> Stack:
        made.append(Stack(data_dir=tmp_path / f"data-{len(made)}", env=env))
        return made[-1]

    try:
        yield make
    finally:
        for stack in made:
            stack.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """An empty file that chainlets write a line to for each execution."""
    path = tmp_path / "ledger"
    path.touch()
    return path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Show the end of the system's log with a failure of a test that used it."""
    report = yield
    used = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(used, Stack):
        report.sections.append(("log of the system", used.log[-6000:]))
    return report
