"""A wrong definition and what is said of it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """The source of a chain with one fault, in the line that ends with `# here`.

    Attributes:
        says: what stands in the message, beside file, line, class, method and kind.
    """

    name: str
    source: str
    where: str
    kind: str
    says: tuple[str, ...]

    @property
    def file(self) -> str:
        return f"from __future__ import annotations\nimport chainlets as chains\n{self.source}"

    @property
    def line(self) -> int:
        return next(
            number for number, line in enumerate(self.file.splitlines(), 1) if line.endswith("# here")
        )
