"""What the cook knows."""

from pydantic import BaseModel

from kitchen import units


class Recipe(BaseModel):
    """Grams by ingredient."""

    name: str
    grams: dict[str, int]


class Burnt(Exception):
    """Defined in a package beside the chain."""


def scaled(recipe: Recipe, factor: int) -> Recipe:
    """The same for more people."""
    return Recipe(name=recipe.name, grams={k: units.rounded(v * factor) for k, v in recipe.grams.items()})
