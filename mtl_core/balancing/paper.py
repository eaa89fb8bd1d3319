"""Paper: the source of a method, shown on screen and in the docs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """One source.

    Attributes:
        authors: as cited, such as ``Chen et al.``.
        place: equation or algorithm that the method is taken from; may be empty.
    """

    title: str
    authors: str
    year: int
    url: str
    place: str = ""

    def cite(self) -> str:
        """``Chen et al. 2018``."""
        return f"{self.authors} {self.year}"
