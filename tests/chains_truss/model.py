"""A chain of one chainlet whose method is `predict`; it finds a key, a variable and a file."""

import os

from pydantic import BaseModel

import chainlets as chains
from chainlets import truss_config


class Weather(BaseModel):
    """An answer."""

    place: str
    degrees: list[float]
    unit: str


class Forecast(chains.ModelBase):
    """Warms itself with what it is given when it is built."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(cpu_count=1, memory="500Mi"),
        assets=chains.Assets(secret_keys=["weather_key"]),
        docker_image=chains.DockerImage(
            base_image=chains.BasetenImage.PY311,
            pip_requirements=["pydantic"],
            data_dir=chains.make_abs_path_here("weather"),
        ),
        options=chains.ChainletOptions(
            env_variables={"TRUSS_STYLE_UNIT": "celsius"},
            health_checks=truss_config.HealthChecks(restart_check_delay_seconds=60),
            metadata={"team": "weather"},
        ),
    )

    def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None:
        assert context.secrets["weather_key"] == "sunny"
        self._warm = float((context.data_dir / "degrees.txt").read_text())
        self._unit = os.environ["TRUSS_STYLE_UNIT"]

    def predict(self, place: str, days: int = 2) -> Weather:
        degrees = [self._warm + day / 2 for day in range(days)]
        return Weather(place=place, degrees=degrees, unit=self._unit)


if __name__ == "__main__":
    with chains.run_local(secrets={"weather_key": "sunny"}):
        print(Forecast().predict("Bremen").model_dump_json())
