"""Every plain type that may be an argument or a result, through two chainlets."""

from pydantic import BaseModel

import chainlets as chains


class Item(BaseModel):
    """A model."""

    name: str
    sizes: dict[str, list[int]] = {}


class Echo(chains.ChainletBase):
    """Gives back what it takes."""

    def run_remote(
        self,
        number: int,
        ratio: float,
        point: complex,
        yes: bool,
        text: str,
        data: bytes,
        nothing: None,
        items: list[Item],
        by_name: dict[str, Item],
        by_number: dict[int, str],
    ) -> tuple[int, float, complex, bool, str, bytes, None, list[Item], dict[str, Item], dict[int, str]]:
        assert isinstance(items[0], Item)
        assert isinstance(data, bytes)
        return number, ratio, point, yes, text, data, nothing, items, by_name, by_number


@chains.mark_entrypoint
class Twice(chains.ChainletBase):
    """Sends what it has there and back."""

    def __init__(
        self, echo: Echo = chains.depends(Echo), packed: Echo = chains.depends(Echo, use_binary=True)
    ) -> None:
        self._echo = echo
        self._packed = packed

    async def run_remote(self, binary: bool, text: str, data: bytes) -> bool:
        echo = self._packed if binary else self._echo
        item = Item(name=text, sizes={"a": [1, 2]})
        given = (7, 0.1, 1 + 2j, True, text, data, None, [item], {"x": item}, {1: "one"})
        return echo.run_remote(*given) == given
