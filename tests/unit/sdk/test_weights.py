"""Weights of a replica: fetched from a server or the hub, and shown where the author mounts them."""

import inspect
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

import chainlets as chains
from chainlets import assets
from chainlets.truss_config import ModelRepo, WeightsSource
from tests.unit.sdk.asset_site import CONTENT, plain_weights, provide

pytestmark = pytest.mark.usefixtures("own_environment")


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
