"""Assets of a replica: fetched once and whole, put where the author expects them, refused with words."""

import inspect
import json
import os
import resource
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest

import chainlets as chains
from chainlets import assets, downloads, environment
from chainlets.assets import provide_assets
from chainlets.paths import AbsPath
from chainlets.truss_config import ExternalDataItem, ModelRepo, WeightsSource
from tests.harness import ROOT

CONTENT = b"0123456789" * 20_000


class Site(BaseHTTPRequestHandler):
    """Answers by path: whole, slow, broken off, stalled, moved, busy; 404 for the rest."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append((path, self.headers.get("Authorization")))
        answer = getattr(self, f"_{path.split('/')[1]}", None)
        if answer is None:
            self.send_error(404)
        else:
            answer()
        self.close_connection = True

    def _head(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def _whole(self):
        self._head()
        self.wfile.write(CONTENT)

    def _slow(self):
        self._head()
        for start in range(0, len(CONTENT), len(CONTENT) // 10):
            self.wfile.write(CONTENT[start : start + len(CONTENT) // 10])
            self.wfile.flush()
            time.sleep(0.06)

    def _broken(self):
        self._head()
        self.wfile.write(CONTENT[:1000])

    def _chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"10\r\nhalf of it")

    def _stalled(self):
        self._head()
        self.wfile.write(CONTENT[:1000])
        self.wfile.flush()
        self.server.released.wait(20)
        self.wfile.write(CONTENT[1000:])

    def _moved(self):
        self.send_response(302)
        self.send_header("Location", "/whole/elsewhere.bin")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _busy(self):
        self.send_error(503)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.asked, server.released = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    monkeypatch.setattr(environment, "_claims", {})
    with patch.dict(os.environ, {"NO_PROXY": "127.0.0.1"}):
        yield


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the Hugging Face hub's client, which needs the network."""
    module = ModuleType("huggingface_hub")
    module.calls, module.error = [], None

    def snapshot_download(repo_id, **options):
        module.calls.append((repo_id, options))
        if module.error is not None:
            raise module.error
        folder = Path(
            options.get("local_dir") or os.environ["HF_HOME"], *([] if "local_dir" in options else [repo_id])
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.bin").write_bytes(CONTENT)
        (folder / ".cache" / "huggingface").mkdir(parents=True)
        return str(folder)

    module.snapshot_download = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return module


def external(url, path="data.bin"):
    return ExternalDataItem(url=url, local_data_path=path)


def plain_weights(url, mount, **rest):
    """Weights over HTTP without the S, which a test's server speaks and the value refuses."""
    source = WeightsSource(source="https://x/y", mount_location=str(mount), **rest)
    object.__setattr__(source, "source", url)
    return source


def config(*, data_dir=None, **values):
    return chains.RemoteConfig(
        assets=chains.Assets(**values), docker_image=chains.DockerImage(data_dir=data_dir)
    )


def provide(folder, *, chainlet="Whisper", secrets=None, **values):
    return provide_assets(chainlet=chainlet, config=config(**values), folder=folder, secrets=secrets)


def leftovers(folder):
    """What lies about beside locks: partial downloads, and finished ones with their markers."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


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


def test_weights_over_https_appear_at_their_mount(tmp_path, site):
    mount = tmp_path / "mnt" / "model"
    mount.mkdir(parents=True)  # an image may have made the empty folder
    secrets = {"key": "t0ken"}
    source = plain_weights(f"{site.url}/moved/w.bin", mount, auth_secret_name="key")
    assert provide(tmp_path / "kept", weights=[source], secrets=secrets) == tmp_path / "kept"
    assert (mount / "w.bin").read_bytes() == CONTENT
    assert site.asked == [("/moved/w.bin", "Bearer t0ken"), ("/whole/elsewhere.bin", None)]

    file = tmp_path / "mnt" / "v.bin"
    provide(tmp_path / "kept", weights=[plain_weights(f"{site.url}/whole/v.bin", file)])
    assert file.read_bytes() == CONTENT
    with pytest.raises(chains.MissingDependencyError, match=f"or put the files into {tmp_path}/no by hand"):
        provide(tmp_path / "kept", weights=[plain_weights(f"{site.url}/nowhere/w.bin", tmp_path / "no")])


def test_weights_of_the_hub_are_asked_for_as_the_source_says(tmp_path, hub):
    mount = tmp_path / "mnt" / "llama"
    source = WeightsSource(
        source="hf://org/llama@v2",
        mount_location=str(mount),
        auth={"auth_method": "CUSTOM_SECRET", "auth_secret_name": "mine"},
        allow_patterns=["*.bin"],
        ignore_patterns=["*.md"],
    )
    for _ in range(2):
        provide(tmp_path / "kept", weights=[source], secrets={"mine": "t", "hf_access_token": "u"})
    assert (mount / "model.bin").read_bytes() == CONTENT
    assert [path.name for path in mount.iterdir()] == ["model.bin"]
    ((name, options),) = hub.calls
    assert name == "org/llama"
    assert Path(options.pop("local_dir")).parent == tmp_path / "kept" / "chainlets-assets"
    assert options == {
        "revision": "v2",
        "allow_patterns": ["*.bin"],
        "ignore_patterns": ["*.md"],
        "token": "t",
    }


def test_a_new_revision_moves_the_mount(tmp_path, hub):
    mount = tmp_path / "llama"
    for revision in ("v1", "v2"):
        provide(
            tmp_path / "kept",
            weights=[WeightsSource(source=f"hf://o/m@{revision}", mount_location=str(mount))],
        )
        (mount / "revision").write_text(revision)
    assert len(hub.calls) == 2
    assert {path.read_text() for path in (tmp_path / "kept").rglob("revision")} == {"v1", "v2"}


def test_a_cached_model_lies_where_from_pretrained_looks(tmp_path, hub, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for _ in range(2):
        assert provide(tmp_path / "kept", cached=[ModelRepo(repo_id="org/m")]) == tmp_path / "kept"
    options = {"revision": None, "allow_patterns": None, "ignore_patterns": None, "token": None}
    assert hub.calls == [("org/m", options)]
    assert (tmp_path / "hf/org/m/model.bin").exists()

    monkeypatch.setattr(assets, "MODEL_CACHE", tmp_path / "app")
    repo = ModelRepo(repo_id="org/m", revision="r", use_volume=True, volume_folder="mine")
    provide(tmp_path / "kept", cached=[repo], secrets={"hf_access_token": "t"})
    assert (tmp_path / "app/mine/model.bin").exists()
    assert hub.calls[1][1]["token"] == "t"


def test_the_hubs_real_client_takes_the_arguments_that_are_passed(tmp_path, hub, monkeypatch):
    provide(tmp_path, weights=[WeightsSource(source="hf://o/m", mount_location=str(tmp_path / "m"))])
    ((name, options),) = hub.calls
    monkeypatch.delitem(sys.modules, "huggingface_hub")
    real = pytest.importorskip("huggingface_hub")
    inspect.signature(real.snapshot_download).bind(name, **options)


def test_what_the_hub_refuses_becomes_a_sentence(tmp_path, hub, monkeypatch):
    source = WeightsSource(source="hf://o/m@v1", mount_location=str(tmp_path / "m"), auth_secret_name="key")
    hub.error = OSError("401 Client Error.\n\nmuch more")
    with pytest.raises(chains.MissingDependencyError) as caught:
        provide(tmp_path, weights=[source])
    assert str(caught.value) == (
        "`Whisper` needs the model hf://o/m@v1, and it could not be fetched from the Hugging Face hub: 401 Client Error. "
        "It was asked for without a token, as there is no secret 'key'. "
        f"Check the name, the revision and the connection, or put the files into {tmp_path}/m by hand."
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(chains.MissingDependencyError, match="Install it: pip install huggingface_hub"):
        provide(tmp_path, weights=[source])


def test_patterns_that_fit_no_file_are_said(tmp_path, hub, monkeypatch):
    monkeypatch.setattr(hub, "snapshot_download", lambda _, **options: options["local_dir"])
    with pytest.raises(chains.MissingDependencyError, match=r"no file fits. Correct `allow_patterns`"):
        provide(tmp_path, weights=[WeightsSource(source="hf://o/m", mount_location=str(tmp_path / "m"))])


@pytest.mark.parametrize("scheme", ["s3", "gs", "azure", "r2", "cw"])
def test_weights_from_a_bucket_are_put_there_by_hand(tmp_path, scheme):
    mount = tmp_path / "m"
    source = WeightsSource(source=f"{scheme}://bucket/m", mount_location=str(mount))
    with pytest.raises(
        chains.MissingDependencyError, match=f"Put the files into {mount} by hand, or use hf:// or https://"
    ):
        provide(tmp_path / "kept", weights=[source])
    mount.mkdir()
    (mount / "model.bin").write_text("by hand")
    provide(tmp_path / "kept", weights=[source])
    assert (mount / "model.bin").read_text() == "by hand"


def test_a_cached_model_of_another_kind_says_what_to_use(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "MODEL_CACHE", tmp_path)
    with pytest.raises(
        chains.MissingDependencyError, match=r"kind 'gcs', which is not fetched here. Use a ModelRepo"
    ):
        provide(tmp_path, cached=[ModelRepo(repo_id="gs://b/m", kind="gcs")])
    repo = ModelRepo(repo_id="gs://b/m", kind="gcs", use_volume=True, volume_folder="m")
    with pytest.raises(
        chains.MissingDependencyError, match=f"Put the files into {tmp_path}/m by hand, or use a"
    ):
        provide(tmp_path, cached=[repo])
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "x").write_text("")
    provide(tmp_path, cached=[repo])


def test_a_mount_that_cannot_be_made_is_told_by_a_variable(tmp_path, hub, caplog):
    (tmp_path / "file").write_text("")
    source = WeightsSource(source="hf://o/m", mount_location=str(tmp_path / "file" / "llama-3.1"))
    provide(tmp_path / "kept", weights=[source])
    where = os.environ["CHAINLETS_WEIGHTS_LLAMA_3_1"]
    assert (Path(where) / "model.bin").read_bytes() == CONTENT
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.name == "chainlets.assets"
    assert record.message == (
        f"The weights of `Whisper` cannot appear at {source.mount_location}; they are in {where}, "
        f"and CHAINLETS_WEIGHTS_LLAMA_3_1 is set to {where}"
    )
    rival = WeightsSource(source="hf://o/n", mount_location=str(tmp_path / "file" / "other" / "llama-3.1"))
    with pytest.raises(
        chains.MissingDependencyError, match=r"of `Whisper` are. Let the `mount_location` of one"
    ):
        provide(tmp_path / "kept", chainlet="Rival", weights=[rival])
    assert os.environ["CHAINLETS_WEIGHTS_LLAMA_3_1"] == where


def test_a_mount_that_cannot_even_be_looked_at_is_told_by_a_variable_too(tmp_path, hub):
    mount = tmp_path / ("x" * 300) / "llama"  # no name may be so long; a folder of somebody else's is alike
    provide(tmp_path / "kept", weights=[WeightsSource(source="hf://o/m", mount_location=str(mount))])
    assert (Path(os.environ["CHAINLETS_WEIGHTS_LLAMA"]) / "model.bin").read_bytes() == CONTENT


def test_somebody_elses_link_at_a_mount_is_left_alone(tmp_path, hub):
    mount = tmp_path / "disk"
    mount.symlink_to(tmp_path / "not plugged in")
    provide(tmp_path / "kept", weights=[WeightsSource(source="hf://o/m", mount_location=str(mount))])
    assert mount.readlink() == tmp_path / "not plugged in"
    assert (Path(os.environ["CHAINLETS_WEIGHTS_DISK"]) / "model.bin").exists()


def test_two_chainlets_cannot_have_different_weights_at_one_mount(tmp_path, hub):
    mount = str(tmp_path / "m")
    provide(tmp_path, chainlet="A", weights=[WeightsSource(source="hf://o/m", mount_location=mount)])
    provide(tmp_path, chainlet="B", weights=[WeightsSource(source="hf://o/m", mount_location=mount)])
    with pytest.raises(chains.MissingDependencyError, match=f"`C` wants its weights at {mount}, where `A`"):
        provide(tmp_path, chainlet="C", weights=[WeightsSource(source="hf://o/n", mount_location=mount)])
