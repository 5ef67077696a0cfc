"""Prices parcels: sync and async chainlets, retries, defaults of Pydantic type, several outputs."""

import asyncio

import shared_types
from pydantic import BaseModel

import chainlets as chains

IMAGE = chains.DockerImage(pip_requirements=["pydantic"], apt_requirements=["git"])


class Rounding(BaseModel):
    """How a price is rounded."""

    digits: int = 2
    up: bool = False


class Scales(chains.ChainletBase):
    """Weighs, in plain code, and is not in the mood at first."""

    remote_config = chains.RemoteConfig(docker_image=IMAGE, compute=chains.Compute(cpu_count=2))

    def run_remote(self, parcel: shared_types.Parcel, ledger: str) -> float:
        shared_types.fail_at_first(1, ledger=ledger, who=f"scales for {parcel.to}")
        return parcel.grams / 1000


class Cashier(chains.ChainletBase):
    """Has a default argument of Pydantic type, and several outputs."""

    remote_config = chains.RemoteConfig(docker_image=IMAGE, name="the-cashier")

    async def run_remote(
        self, kilos: float, tariff: shared_types.Tariff, rounding: Rounding = Rounding(digits=1)
    ) -> tuple[float, str, Rounding]:
        await asyncio.sleep(0)
        return round(kilos * tariff.per_kilo, rounding.digits), tariff.currency, rounding


class Journal(chains.ChainletBase):
    """Has a side effect and gives nothing."""

    remote_config = chains.RemoteConfig(docker_image=IMAGE)

    def run_remote(self, ledger: str, entry: dict[str, float]) -> None:
        shared_types.fail_at_first(0, ledger=ledger, who=f"journal: {sorted(entry.items())}")


class Courier(chains.ChainletBase):
    """Async, and calls a sync and an async chainlet."""

    remote_config = chains.RemoteConfig(docker_image=IMAGE)

    def __init__(
        self,
        scales: Scales = chains.depends(Scales, retries=3),
        cashier: Cashier = chains.depends(Cashier),
        journal: Journal = chains.depends(Journal),
    ) -> None:
        self._scales = scales
        self._cashier = cashier
        self._journal = journal

    async def run_remote(self, parcel: shared_types.Parcel, ledger: str) -> tuple[str, float]:
        kilos = self._scales.run_remote(parcel, ledger=ledger)
        price, currency, rounding = await self._cashier.run_remote(kilos, tariff=parcel.tariff)
        fine, _, _ = await self._cashier.run_remote(kilos, parcel.tariff, Rounding(digits=3))
        assert self._journal.run_remote(ledger, {"price": price, "fine": fine}) is None
        assert isinstance(rounding, Rounding)
        assert not rounding.up
        return f"{price} {currency} to {parcel.to}", fine


@chains.mark_entrypoint("truss-parcels")
class Office(chains.ChainletBase):
    """Sends one parcel after the other."""

    remote_config = chains.RemoteConfig(
        docker_image=IMAGE,
        compute=chains.Compute(cpu_count=1, memory="1Gi", predict_concurrency=4),
        assets=chains.Assets(),
    )

    def __init__(
        self,
        courier: Courier = chains.depends(Courier, retries=2),
        context: chains.DeploymentContext = chains.depends_context(),
    ) -> None:
        self._courier = courier
        self._context = context

    async def run_remote(
        self, parcels: list[shared_types.Parcel], ledger: str, greeting: str = "Dear"
    ) -> tuple[list[str], dict[str, float], int]:
        labels, prices = [], {}
        for parcel in parcels:
            label, fine = await self._courier.run_remote(parcel=parcel, ledger=ledger)
            labels.append(f"{greeting} {parcel.to}: {label}")
            prices[parcel.to] = fine
        return labels, prices, len(parcels)
