"""What a chainlet says and asks about its call: the same in a worker and in a test's `recorded_call`."""

import contextlib
import time

import pytest
from pydantic import BaseModel

import chainlets as chains
from chainlets.files import LocalFileStore
from chainlets.runtime.committer import Committer
from chainlets.runtime.execution import Execution
from chainlets.testing import recorded_call
from tests.integration.contracts.conftest import MemoryHouse


class Part(BaseModel):
    text: str
    at: tuple[float, float] = (0.0, 1.5)


class Recorded:
    """In a test."""

    def run(self, say):
        with recorded_call(chain="chain", chainlet="Root") as call:
            self.scratch, self.cancel = call.scratch_dir, call.cancel
            result = say()
        return result, {
            "partial": call.partials,
            "progress": [{"done": p.done, "total": p.total, "message": p.message} for p in call.progress],
            "log": [
                {"level": line.level, "message": line.message, "fields": line.fields} for line in call.logs
            ],
            "warning": [{"message": message} for message in call.warnings],
        }


class Worked:
    """In the engine."""

    def __init__(self, folder):
        self.scratch = folder / "scratch"

    def run(self, say):
        house = MemoryHouse()
        committer = Committer(house.store, batch=100)
        committer.start()
        execution = Execution(
            claim=house.running_root(),
            committer=committer,
            files=LocalFileStore(),
            scratch=self.scratch,
            worker="w1",
            on_wait=lambda: None,
        )
        self.cancel = lambda: execution.cancel(ending=False)
        result = execution.run_sync(say, {})
        execution.close()
        committer.stop(5)
        said = {"partial": [], "progress": [], "log": [], "warning": []}
        for type, _, data in house.history(execution.claim.run_id):
            with contextlib.suppress(KeyError):
                said[type].append(data)
        return result, said


@pytest.fixture(params=["recorded", "worked"])
def place(request, tmp_path):
    return Recorded() if request.param == "recorded" else Worked(tmp_path)


def test_all_that_is_said_is_kept_in_the_same_words(place):
    def say():
        chains.emit(Part(text="Hel"))
        chains.emit({"text": "lo", "n": [1, None]})
        chains.progress(1, 2)
        time.sleep(0.3)  # steps that follow each other faster may be left out
        chains.progress(2, 2, "Done")
        chains.log("half way", at=1.5, part=Part(text="x"))
        chains.log("trouble", level="warning")
        chains.warn("It is quiet.")

    _, said = place.run(say)

    assert said == {
        "partial": [{"text": "Hel", "at": [0.0, 1.5]}, {"text": "lo", "n": [1, None]}],
        "progress": [{"done": 1, "total": 2, "message": ""}, {"done": 2, "total": 2, "message": "Done"}],
        "log": [
            {
                "level": "info",
                "message": "half way",
                "fields": {"at": 1.5, "part": {"text": "x", "at": [0.0, 1.5]}},
            },
            {"level": "warning", "message": "trouble", "fields": {}},
        ],
        "warning": [{"message": "It is quiet."}],
    }


def test_a_call_knows_itself_and_whether_it_is_still_wanted(place):
    def ask():
        before = chains.cancelled()
        place.cancel()
        return chains.info(), before, chains.cancelled()

    (info, before, after), _ = place.run(ask)

    assert (info.chain, info.chainlet, info.attempt) == ("chain", "Root", 1)
    assert all(isinstance(value, str) and value for value in (info.run_id, info.invocation_id, info.worker))
    assert (before, after) == (False, True)
    assert (chains.info(), chains.cancelled()) == (None, False)


def test_its_folder_is_its_own_and_goes_with_it(place):
    def write():
        (chains.scratch_dir() / "draft").write_text("x")
        assert (chains.scratch_dir() / "draft").read_text() == "x"
        return chains.scratch_dir()

    folder, _ = place.run(write)

    assert not folder.exists()
