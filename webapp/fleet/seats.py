"""Which model processes one machine runs, which GPUs each of them sees, and which queues it serves."""

import fnmatch
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chainlets.runtime.gpus import Gpu
from webapp.fleet.hardware import tag_for

_MOST_ON_CPU = 4


@dataclass(frozen=True, kw_only=True)
class Seat:
    """One model process.

    Attributes:
        queues: names and patterns divided by commas, as `worker --queues` takes them.
        devices: UUIDs of the GPUs it sees; none on a machine without any.
    """

    name: str
    queues: str
    devices: tuple[str, ...] = ()

    @property
    def env(self) -> dict[str, str]:
        """Variables that show it its GPUs and no others."""
        return {"CUDA_VISIBLE_DEVICES": ",".join(self.devices)} if self.devices else {}


def seats(
    *, gpus: Sequence[Gpu], asked: Collection[str], processes: int, cores: int, wished: str
) -> list[Seat]:
    """The model processes of a machine.

    Without a GPU, one for each core, at most four, which serve what asks for any GPU on the CPU. With
    GPUs one for each, and one more for each number of GPUs together that a chain asks for and that
    is there; those share their GPUs with the others.

    Args:
        gpus: what the machine has.
        asked: queues that the loaded chains ask for.
        processes: how many for calls with one GPU or none; 0 leaves it to this function.
        cores: processor cores.
        wished: queues that the operator has named for all of them; empty leaves them to this function.
    """
    if not gpus:
        count = processes or min(cores, _MOST_ON_CPU)
        return [Seat(name=f"model-{n}", queues=wished or "gpu.*") for n in range(1, count + 1)]
    single = [gpus[n % len(gpus)] for n in range(processes or len(gpus))]
    found = [
        Seat(name=f"model-{n}", queues=wished or _alone(gpu), devices=(gpu.uuid,))
        for n, gpu in enumerate(single, 1)
    ]
    for queue in sorted(asked):
        together = _together(queue, gpus)
        if together and (not wished or any(fnmatch.fnmatch(queue, one) for one in wished.split(","))):
            name = f"model-{queue.removeprefix('gpu.').replace('.', '-x')}"
            found.append(Seat(name=name, queues=queue, devices=together))
    return found


def _alone(gpu: Gpu) -> str:
    return ",".join(dict.fromkeys(["gpu.any", tag_for(gpu.name)]))


def _together(queue: str, gpus: Sequence[Gpu]) -> tuple[str, ...]:
    """The GPUs for a queue that takes several; none if it takes one, or there are not so many."""
    tag, _, count = queue.rpartition(".")
    if not count.isdigit() or not tag.startswith("gpu."):
        return ()
    fitting = [gpu.uuid for gpu in gpus if tag in ("gpu.any", tag_for(gpu.name))]
    return tuple(fitting[: int(count)]) if len(fitting) >= int(count) else ()
