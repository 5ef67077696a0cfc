"""A real worker with little room: replicas go and come, and nothing that works is disturbed."""

import pytest

from tests.harness import ROOT

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def house(make_stack, tmp_path):
    folder = tmp_path / "chains"
    folder.mkdir()
    (folder / "shelf.py").write_bytes((ROOT / "tests" / "chains" / "shelf.py").read_bytes())
    (tmp_path / "ledger").touch()
    return make_stack(
        CHAINS="chainlets.chains.hello",
        CHAINS_DIR=str(folder),
        WORKER_PROCESSES="1",
        WORKER_MEMORY="400Mi",
        SHELF_LEDGER=str(tmp_path / "ledger"),
    ).start()


def test_the_idle_one_goes_and_the_one_that_waits_for_a_call_stays(house, tmp_path):
    def read(*titles):
        before = len((tmp_path / "ledger").read_text().splitlines())
        run = house.wait_run(house.start_run("shelf", titles=list(titles)))
        assert run["state"] == "succeeded", run["error"]
        return run["output"], (tmp_path / "ledger").read_text().splitlines()[before:]

    assert read("thick", "thick") == (["thick", "thick"], ["thick built"])
    assert read("thin", "thin") == (["thin", "thin"], ["thick closed", "thin built"])
    assert read("thick") == (["thick"], ["thin closed", "thick built"])
    # The thin one waits inside its call, and so both are there for a while.
    assert read("both") == (["thin and thick"], ["thick closed", "thin built", "thick built"])
    assert read("thin", "thick") == (["thin", "thick"], [])
    assert "shelf.Thick is let go, unused for" in house.log
