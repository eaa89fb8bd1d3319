"""Matcher: finds the picture of a mask or depth map by the shared part of both names and by folders that do not contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mtl_core.data.imports.formats.format import AmbiguousImageError
from mtl_core.data.imports.formats.image_index import is_inner
from mtl_core.data.imports.looking.name_roles import Role, part_in, plain_part
from mtl_core.data.imports.tree import same_name

_MOST_COMPARED = 400  # pictures of one name whose folders are compared one by one


class Matcher:
    """Finds pictures for files.

    Args:
        keys: keys of the pictures. ``images``: the role of their names.
        files: names of all masks: a folder name that occurs on both sides must be the same for both.
    """

    def __init__(self, keys: Iterable[str], images: Role, files: Iterable[str]):
        self._exact: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._by_core: dict[str, list[str]] = defaultdict(list)
        self._by_last: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._theirs: set[str] = set()
        for key in keys:
            core = images.core(key) if not is_inner(key) else None
            if core is None:
                continue
            place, base = images.place(key), _name(core[1])
            self._exact[place, base].append(key)
            self._theirs.update(_parts(key))
            for form in dict.fromkeys((base, _name(key.rpartition("/")[2]))):
                self._by_core[form].append(key)
                self._by_last[form, _last(key)].append(key)
        self._mine = {part for folder in {name.rpartition("/")[0] for name in files} for part in _parts(f"{folder}/")}

    def find(self, file: str, place: str, core: str) -> str | None:
        """The picture of a file; None if there is none.

        Args:
            place: the folders that file and picture should share. ``core``: the shared part of the stem.

        Raises:
            AmbiguousImageError: several fit equally well.
        """
        form = _name(core)
        exact = [key for key in self._exact.get((place, form), ()) if key != file and not _of_other_parts(file, key)]
        if len(exact) == 1:
            return exact[0]
        found = [key for key in (exact or self._by_core.get(form, ())) if key != file]
        if len(found) > _MOST_COMPARED:
            found = [key for key in self._by_last.get((form, _last(file)), ()) if key != file][:_MOST_COMPARED]
        found = [key for key in found if self._agree(file, key)]
        if len(found) > 1:
            shared = [len(set(_parts(file)) & set(_parts(key))) for key in found]
            found = [key for key, count in zip(found, shared, strict=True) if count == max(shared)]
        if len(found) > 1:
            raise AmbiguousImageError(f"'{file}' fits {len(found)} images: {', '.join(found[:3])}. Say which with 'images', or with folders")
        return found[0] if found else None

    def _agree(self, file: str, key: str) -> bool:
        """Whether the folders of both do not contradict each other."""
        mine, theirs = set(_parts(file)), set(_parts(key))
        if (mine - theirs) & self._theirs or (theirs - mine) & self._mine:
            return False
        return not _of_other_parts(file, key)


def _of_other_parts(file: str, key: str) -> bool:
    """Whether the two belong to different parts (train, val, test)."""
    parts = part_in(file.rpartition("/")[0]), part_in(key.rpartition("/")[0])
    return all(parts) and parts[0] != parts[1]


def _name(text: str) -> str:
    return same_name(text).lower()


def _parts(name: str) -> list[str]:
    return [plain_part(part) for part in name.split("/")[:-1]]


def _last(name: str) -> str:
    parts = _parts(name)
    return parts[-1] if parts else ""
