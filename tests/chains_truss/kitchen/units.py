"""Units."""


def rounded(grams: int) -> int:
    """Grams as a kitchen has them, in fives."""
    return 5 * round(grams / 5)
