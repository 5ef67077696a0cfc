"""Has a neighbour that is called as the one of the folder above."""

import shared_types

import chainlets as chains


class Letter(chains.ChainletBase):
    """Prices letters by their lines."""

    async def run_remote(
        self, lines: int, tariff: shared_types.Tariff = shared_types.Tariff(per_line=0.25)
    ) -> tuple[float, str]:
        from shared_types import fail_at_first

        return lines * tariff.per_line, fail_at_first(lines)
