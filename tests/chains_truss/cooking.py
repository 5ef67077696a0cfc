"""Uses a package that lies beside it, and imports one module of it late."""

from kitchen import recipes
from kitchen.recipes import Recipe

import chainlets as chains


class Cook(chains.ChainletBase):
    """Scales recipes."""

    def __init__(self) -> None:
        import kitchen.units

        self._rounded = kitchen.units.rounded

    def run_remote(self, recipe: Recipe, people: int = 2) -> Recipe:
        if people > 100:
            raise recipes.Burnt(f"{recipe.name} for {self._rounded(people)}")
        return recipes.scaled(recipe, people)


@chains.mark_entrypoint("truss-cooking")
class Host(chains.ChainletBase):
    """Handles what the cook raises by its class."""

    def __init__(self, cook: Cook = chains.depends(Cook)) -> None:
        self._cook = cook

    async def run_remote(self, recipe: Recipe, people: int) -> Recipe | str:
        try:
            return self._cook.run_remote(recipe, people)
        except recipes.Burnt as error:
            return f"burnt: {error}"
