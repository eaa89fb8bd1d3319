"""Notes on the files that no format reads, by file or pattern, so that no file of labels is ignored silently."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from posixpath import splitext

from mtl_core.data.imports.looking.levels import UNREAD_PICTURES
from mtl_core.data.imports.looking.number_maps import is_map
from mtl_core.data.imports.looking.questions import FileNote
from mtl_core.data.imports.spec import SourceSpec, SplitSpec
from mtl_core.data.imports.tree import Tree, is_archive

_NO_DATA = re.compile(
    r"(?:.*/)?(?:read[-_]?me|licen[cs]e|copying|changelog|citation|credits|attribution|notice|authors|makefile|dockerfile|\.).*"
    r"|.*\.(?:md|rst|html?|css|js|py|pyc|ipynb|sh|bat|m|log|bak|lock|cache|gitignore|gitkeep|url|lnk|ini|db|tmp|sha256|md5|sqlite)",
    re.IGNORECASE | re.DOTALL,
)
_DOCUMENTS = (".pdf", ".doc", ".docx", ".ppt", ".pptx", ".odt", ".rtf")
_OLD_TABLES = (".xls", ".ods", ".numbers")
_MOST_NAMED = 3  # most files of one folder and ending that are named; more become a pattern
_LEFT = "seen, not understood: no format takes it. If it holds labels, export them in a supported format"


def unread_files(tree: Tree, notes: Iterable[FileNote], sources: Iterable[SourceSpec], splits: SplitSpec) -> list[FileNote]:
    """A note for each file without a note that is no picture, no source and no list of parts.

    Args:
        notes: the notes so far. ``sources``, ``splits``: the files that are read.
    """
    told = {note.files for note in notes}
    patterns = [name for name in told if "*" in name]
    folders = []
    for source in sources:
        options = source.options
        told |= {str(value) for key, value in options.items() if key in ("file", "names", "image_list", "images") and isinstance(value, str)}
        if source.format in _OF_FOLDERS and not options.get("file"):
            folders.append((str(options.get("folder", "")), _OF_FOLDERS[source.format]))
    told |= {name for part in ("train", "val", "test") for name in getattr(splits, part)} | {splits.file, splits.group_file}
    left: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for file in tree.files:
        if file in told or is_map(file) or _NO_DATA.fullmatch(file):
            continue
        ending = splitext(file)[1].lower()
        if ending in UNREAD_PICTURES or any(end == ending and (not folder or file.startswith(f"{folder}/")) for folder, end in folders):
            continue
        if any(fnmatchcase(file, pattern) or ("/" not in pattern and fnmatchcase(file.rpartition("/")[2], pattern)) for pattern in patterns):
            continue
        left[file.rpartition("/")[0], ending, _reason(file, ending)].append(file)
    found = []
    for (folder, ending, reason), files in left.items():
        pattern = f"{folder}/*{ending}" if folder else f"*{ending}"
        found += [FileNote(pattern, len(files), False, reason)] if len(files) > _MOST_NAMED else [FileNote(f, 1, False, reason) for f in files]
    return found


def what_is_there(tree: Tree) -> str:
    """The files of a set without pictures, counted by ending, and what to do about archives among them."""
    counts = Counter(splitext(file)[1].lower() or "without an ending" for file in tree.files)
    found = ", ".join(f"{count:,} {ending}" for ending, count in counts.most_common(8))
    archives = [file for file in tree.files if is_archive(file)]
    what = f" Unpack '{archives[0]}' first: archives inside a folder are not opened." if archives else ""
    endings = [ending for ending, _ in counts.most_common() if ending in UNREAD_PICTURES]
    endings += [".nii"] if any(file.lower().endswith(".nii.gz") for file in tree.files) else []
    what += "".join(f" {ending}: {UNREAD_PICTURES[ending]}." for ending in endings[:4])
    return f"Found {found}; expected JPEG, PNG, TIFF, BMP, GIF, WebP and the like.{what}"


_OF_FOLDERS = {"voc": ".xml", "yolo": ".txt", "labelme": ".json", "cvat": ".xml", "kitti": ".txt", "dota": ".txt"}


def _reason(file: str, ending: str) -> str:
    if is_archive(file):
        return "seen, not read: an archive inside; unpack it beside the others"
    if file.lower().endswith(".nii.gz"):
        return f"seen, not read: {UNREAD_PICTURES['.nii']}"
    if ending in _DOCUMENTS:
        return "seen, not read: a document; pictures in it have to be exported as files"
    if ending in _OLD_TABLES:
        return "seen, not read: a table in a format that is not read; save it as CSV or xlsx"
    if ending == ".txt":
        return f"{_LEFT} (YOLO's lines are 'class x y width height' in shares from 0 to 1; KITTI's and DOTA's have their own)"
    return _LEFT
