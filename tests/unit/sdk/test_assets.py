"""Assets of a replica: fetched once and whole, put where the author expects them, refused with words."""

import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import chainlets as chains
from chainlets import downloads
from chainlets.paths import AbsPath
from chainlets.truss_config import ExternalDataItem
from tests.harness import ROOT
from tests.unit.sdk.asset_site import CONTENT, external, leftovers, provide

pytestmark = pytest.mark.usefixtures("own_environment")


def test_without_assets_the_folder_is_given_as_it_is_and_stays_empty(tmp_path):
    assert provide(tmp_path) == tmp_path
    assert provide(None) is None
    assert list(tmp_path.iterdir()) == []


def test_external_data_lies_at_its_path_and_is_fetched_once(tmp_path, site):
    items = [
        ExternalDataItem(url=f"{site.url}/whole/a.bin", local_data_path="models/deep/a.bin"),
        ExternalDataItem(url=f"{site.url}/moved/b", local_data_path="b.bin"),
    ]
    for _ in range(2):
        folder = provide(tmp_path, external_data=items)
        assert (folder / "models/deep/a.bin").read_bytes() == CONTENT
        assert (folder / "b.bin").read_bytes() == CONTENT
    other = provide(tmp_path, chainlet="Other", external_data=items[:1])
    assert other != folder
    assert (other / "models/deep/a.bin").read_bytes() == CONTENT
    assert [path for path, _ in site.asked] == ["/whole/a.bin", "/moved/b", "/whole/elsewhere.bin"]


def test_a_slow_server_is_waited_for_as_long_as_bytes_come(tmp_path, site, monkeypatch):
    monkeypatch.setattr(downloads, "STALL_S", 0.5)
    folder = provide(tmp_path, external_data=[external(f"{site.url}/slow/a.bin")])
    assert (folder / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "why", "retryable"),
    [
        ("/nowhere/a.bin", "the server answered 404 Not Found", False),
        ("/busy/a.bin", "the server answered 503 Service Unavailable", True),
        ("/broken/a.bin", "the transfer broke off after 1000 of 200000 bytes", True),
        ("/chunked/a.bin", "the transfer broke off", True),
        ("/stalled/a.bin", "nothing came for 0.3 seconds", True),
        ("/not well formed", "the address is not well formed", False),
    ],
)
def test_what_cannot_be_fetched_is_named_and_leaves_nothing_behind(
    tmp_path, site, monkeypatch, path, why, retryable
):
    monkeypatch.setattr(downloads, "STALL_S", 0.3)
    url = site.url + path
    with pytest.raises(chains.MissingDependencyError) as caught:
        provide(tmp_path, external_data=[external(f"{url}?token=hush")])
    assert str(caught.value).startswith(
        f"`Whisper` needs {url}?…, and it could not be fetched: {why}. Check the"
    )
    assert "hush" not in str(caught.value)
    assert caught.value.retryable is retryable
    assert leftovers(tmp_path) == []


def test_a_server_that_is_not_there_is_said(tmp_path):
    with pytest.raises(chains.MissingDependencyError, match="could not be fetched: Connection refused"):
        provide(tmp_path, external_data=[external("http://127.0.0.1:9/a.bin")])


def test_a_file_of_this_machine_may_be_external_data(tmp_path):
    source = tmp_path / "büro data.bin"
    source.write_bytes(CONTENT)
    folder = provide(tmp_path / "kept", external_data=[external(source.as_uri(), "x/y.bin")])
    source.unlink()
    assert (folder / "x/y.bin").read_bytes() == CONTENT
    with pytest.raises(chains.MissingDependencyError, match="No such file or directory"):
        provide(tmp_path / "kept", external_data=[external((tmp_path / "none").as_uri())])


@pytest.mark.parametrize("path", ["/etc/passwd", "../up.bin", "a/../../up.bin", "."])
def test_external_data_cannot_leave_the_data_folder(tmp_path, path):
    with pytest.raises(
        chains.MissingDependencyError, match="Write a `local_data_path` inside the data folder"
    ):
        provide(tmp_path, external_data=[external("file:///x", path)])


def test_two_things_at_one_path_are_refused(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    for first, second in [("x", "x"), ("x", "x/y"), ("x/y", "x")]:
        items = [external((tmp_path / "a").as_uri(), first), external((tmp_path / "b").as_uri(), second)]
        with pytest.raises(chains.MissingDependencyError, match="puts two things at"):
            provide(tmp_path / "kept", external_data=items)


def test_the_data_folder_shows_what_the_author_ships(tmp_path):
    shipped = tmp_path / "shipped"
    (shipped / "models").mkdir(parents=True)
    (shipped / "words.txt").write_text("shipped")
    (shipped / "old.txt").write_text("old")
    (shipped / "models" / "small.bin").write_text("small")
    (tmp_path / "big").write_text("big")
    items = [external((tmp_path / "big").as_uri(), "models/big.bin")]

    folder = provide(tmp_path / "kept", external_data=items, data_dir=shipped)
    assert (folder / "words.txt").read_text() == "shipped"
    assert (folder / "models" / "small.bin").read_text() == "small"
    assert (folder / "models" / "big.bin").read_text() == "big"
    assert sorted(path.name for path in (shipped / "models").iterdir()) == ["small.bin"]

    (folder / "made.txt").write_text("by the chainlet")
    (shipped / "made.txt").write_text("by the author")
    (shipped / "new.txt").write_text("new")
    (shipped / "old.txt").unlink()
    assert provide(tmp_path / "kept", external_data=items, data_dir=shipped) == folder
    assert sorted(path.name for path in folder.iterdir()) == ["made.txt", "models", "new.txt", "words.txt"]
    assert (folder / "made.txt").read_text() == "by the chainlet"

    source = tmp_path / "chain.py"
    alone = provide(tmp_path / "kept", data_dir=AbsPath(shipped, written="shipped", source=source))
    assert (alone / "models" / "small.bin").read_text() == "small"
    for missing in (tmp_path / "no", AbsPath(tmp_path / "no", written="no", source=source)):
        with pytest.raises(chains.MissingDependencyError, match=r"`Whisper` ships .*no"):
            provide(tmp_path / "kept", data_dir=missing)


NEIGHBOUR = """
import sys
from pathlib import Path
import chainlets as chains
from chainlets.assets import provide_assets
from chainlets.truss_config import ExternalDataItem
item = ExternalDataItem(url=sys.argv[1], local_data_path="data.bin")
config = chains.RemoteConfig(assets=chains.Assets(external_data=[item]))
print(provide_assets(chainlet="Neighbour", config=config, folder=Path(sys.argv[2])) / "data.bin")
"""


@pytest.fixture
def neighbour(tmp_path, site):
    """Another process, in the middle of its download."""
    with subprocess.Popen(
        [sys.executable, "-c", NEIGHBOUR, f"{site.url}/stalled/a.bin", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not any(tmp_path.rglob("a.bin")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        yield process
        process.kill()


def test_what_two_processes_want_is_fetched_once(tmp_path, site, neighbour, caplog):
    caplog.set_level("INFO")
    threading.Timer(0.05, site.released.set).start()
    folder = provide(tmp_path, external_data=[external(f"{site.url}/stalled/a.bin")])
    assert f"Waiting for another process that downloads {site.url}/stalled/a.bin" in caplog.messages
    assert (folder / "data.bin").read_bytes() == CONTENT
    out, err = neighbour.communicate(timeout=60)
    assert Path(out.strip()).read_bytes() == CONTENT, err
    assert len(site.asked) == 1


def test_a_process_killed_in_the_middle_leaves_nothing_that_is_used(tmp_path, site, neighbour):
    neighbour.kill()
    neighbour.communicate(timeout=60)
    assert leftovers(tmp_path) == ["a.bin"]

    site.released.set()
    folder = provide(tmp_path, external_data=[external(f"{site.url}/stalled/a.bin")])
    assert (folder / "data.bin").read_bytes() == CONTENT


@pytest.fixture
def full_disk():
    """No file of this process grows further, as on a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(CONTENT) // 2, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_not_blamed_on_the_network(tmp_path, site, full_disk):
    with pytest.raises(
        chains.MissingDependencyError,
        match=f"`Whisper` needs files that cannot be put into {tmp_path}: File too large. Make room there",
    ) as caught:
        provide(tmp_path, external_data=[external(f"{site.url}/whole/a.bin")])
    assert not caught.value.retryable
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        chains.MissingDependencyError, match=r"cannot be put into .*: Not a directory. Make room"
    ):
        provide(tmp_path / "file" / "below", external_data=[external("file:///x")])


def test_without_a_folder_downloads_are_kept_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a").write_text("a")
    folder = provide(None, external_data=[external((tmp_path / "a").as_uri())])
    assert folder.is_relative_to(tmp_path / "cache" / "chainlets")
    assert (folder / "data.bin").read_text() == "a"


def test_a_download_that_was_removed_or_whose_marker_is_torn_is_made_again(tmp_path, site):
    items = [external(f"{site.url}/whole/a.bin")]
    provide(tmp_path, external_data=items)
    marker = next(tmp_path.rglob("*.json"))
    assert json.loads(marker.read_text())["source"] == f"{site.url}/whole/a.bin"
    marker.write_text("{")
    provide(tmp_path, external_data=items)
    next(path for path in tmp_path.rglob("a.bin")).unlink()
    marker.with_suffix("").rmdir()
    folder = provide(tmp_path, external_data=items)
    assert (folder / "data.bin").read_bytes() == CONTENT
    assert len(site.asked) == 3
