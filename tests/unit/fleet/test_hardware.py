"""GPUs become queue tags, and processes that see one GPU each."""

import subprocess
import sys

import pytest

from chainlets.runtime.gpus import Gpu, free, gpus, read, visible
from tests.unit.fleet.fake_nvml import GIB, NAMES, FakeNvml, use, uuid_of
from webapp.fleet import hardware
from webapp.fleet.seats import Seat, seats


@pytest.fixture(autouse=True)
def forget():
    yield
    gpus.cache_clear()


def some(*names):
    return [Gpu(index=i, uuid=uuid_of(i), name=name, memory=16 * GIB) for i, name in enumerate(names)]


def test_all_gpus_are_found_with_name_memory_and_uuid(monkeypatch):
    fake = use(monkeypatch, FakeNvml(*NAMES))
    assert gpus() == tuple(some(*NAMES))
    assert fake.open == 0, "the library is closed again"
    assert hardware.has_gpu()


def test_the_real_library_says_none_without_a_driver():
    show = "import os; os.environ['LD_LIBRARY_PATH'] = ''; from chainlets.runtime.gpus import gpus; print(gpus())"
    done = subprocess.run([sys.executable, "-c", show], check=True, capture_output=True, text=True)
    assert done.stdout == "()\n"


def test_without_a_driver_the_machine_is_a_cpu_and_nothing_else(monkeypatch):
    use(monkeypatch, FakeNvml(driver=False))
    assert gpus() == ()
    assert (hardware.detect(), hardware.has_gpu(), hardware.queues(gpus())) == ("cpu", False, [])
    assert free([uuid_of(0)]) is None


def test_a_divided_gpu_is_left_out_and_one_that_shares_memory_is_not():
    fake = FakeNvml("NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3", "NVIDIA GB10", divided=[0])
    fake.nvmlInit()
    assert [(gpu.index, gpu.memory) for gpu in read(fake)] == [(1, 16 * GIB), (2, 0)]


def test_what_is_free_is_what_the_fullest_has(monkeypatch):
    fake = use(monkeypatch, FakeNvml("Tesla T4", "Tesla T4"))
    fake.free[1] = 3 * GIB
    assert free([uuid_of(0)]) == 16 * GIB
    assert free([uuid_of(0), uuid_of(1)]) == 3 * GIB


@pytest.mark.parametrize(
    ("cuda", "nvidia", "left"),
    [
        (None, None, [0, 1, 2]),
        ("", None, []),
        ("-1", None, []),
        ("2,0", None, [2, 0]),
        ("0,9,1", None, [0]),  # as CUDA does it: the list ends at the first that is not there
        ("0,0,1", None, [0]),
        (f"{uuid_of(2)},{uuid_of(0)}", None, [2, 0]),
        ("GPU-1f", None, [1]),
        ("GPU-", "none", []),
        (None, "all", [0, 1, 2]),
        (None, "", [0, 1, 2]),
        (None, "void", []),
        (None, "1", [1]),
        (None, uuid_of(2), [2]),
        (None, "4,6,7", [0, 1, 2]),  # inside a container that was given these three
        ("1", "2,1", [1]),
        (uuid_of(2), "1", []),
    ],
)
def test_the_environment_says_which_are_ours(cuda, nvidia, left):
    found = some(*NAMES)
    assert [gpu.index for gpu in visible(found, cuda=cuda, nvidia=nvidia)] == left


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("Tesla T4", "gpu.t4"),
        ("NVIDIA A10G", "gpu.a10g"),
        ("NVIDIA A100-SXM4-80GB", "gpu.a100"),
        ("NVIDIA A100-SXM4-40GB", "gpu.a100_40gb"),
        ("NVIDIA H100 80GB HBM3", "gpu.h100"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "gpu.rtx_pro_6000"),
        ("NVIDIA GeForce RTX 4090", "gpu.any"),
    ],
)
def test_a_product_has_the_tag_that_chains_ask_for(name, tag):
    assert hardware.tag_for(name) == tag


@pytest.mark.parametrize(
    ("names", "label", "queues"),
    [
        ((), "cpu", []),
        (["Tesla T4"], "gpu.t4", ["gpu.any", "gpu.t4"]),
        (["Tesla T4"] * 2, "gpu.t4.2", ["gpu.any", "gpu.any.2", "gpu.t4", "gpu.t4.2"]),
        (
            NAMES,
            "gpu.t4.2",
            ["gpu.a100", "gpu.any", "gpu.any.2", "gpu.t4", "gpu.t4.2"],
        ),
        (["NVIDIA GeForce RTX 4090"], "gpu.any", ["gpu.any"]),
    ],
)
def test_a_process_serves_each_number_of_each_kind_that_it_has(names, label, queues):
    assert hardware.label(some(*names)) == label
    assert hardware.queues(some(*names)) == queues


def placed(*names, asked=(), processes=0, cores=8, wished=""):
    found = seats(gpus=some(*names), asked=asked, processes=processes, cores=cores, wished=wished)
    return [(seat.name, seat.queues, [int(uuid[4]) for uuid in seat.devices]) for seat in found]


def test_without_a_gpu_a_few_processes_serve_all_gpu_queues_on_the_cpu():
    assert placed(cores=2) == [("model-1", "gpu.*", []), ("model-2", "gpu.*", [])]
    assert len(placed(cores=64)) == 4
    assert placed(processes=1, wished="gpu.any") == [("model-1", "gpu.any", [])]
    assert Seat(name="model-1", queues="gpu.*").env == {}


def test_each_gpu_has_a_process_that_sees_no_other():
    assert placed(*NAMES, asked=["cpu", "gpu.any", "gpu.h100", "gpu.h100.2"]) == [
        ("model-1", "gpu.any,gpu.t4", [0]),
        ("model-2", "gpu.any,gpu.t4", [1]),
        ("model-3", "gpu.any,gpu.a100", [2]),
    ]
    assert Seat(name="m", queues="q", devices=("GPU-a", "GPU-b")).env == {
        "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"
    }


def test_calls_that_take_several_gpus_have_a_process_that_sees_so_many():
    asked = ["gpu.t4.2", "gpu.any.3", "gpu.t4.3", "gpu.a100.2"]
    assert placed(*NAMES, asked=asked)[3:] == [
        ("model-any-x3", "gpu.any.3", [0, 1, 2]),
        ("model-t4-x2", "gpu.t4.2", [0, 1]),
    ]


def test_what_the_operator_names_wins():
    assert placed("Tesla T4", "Tesla T4", processes=3, wished="gpu.t4,gpu.a100", asked=["gpu.t4.2"]) == [
        ("model-1", "gpu.t4,gpu.a100", [0]),
        ("model-2", "gpu.t4,gpu.a100", [1]),
        ("model-3", "gpu.t4,gpu.a100", [0]),
    ]
    assert placed("Tesla T4", "Tesla T4", wished="gpu.*", asked=["gpu.t4.2"])[2:] == [
        ("model-t4-x2", "gpu.t4.2", [0, 1])
    ]
