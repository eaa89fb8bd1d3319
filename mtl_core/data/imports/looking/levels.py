"""Notes and questions about pictures of more than 8 bits, files with several pictures, and unread file endings."""

from __future__ import annotations

from collections import Counter
from posixpath import splitext

import numpy as np

from mtl_core.data.imports.formats.image_index import is_inner
from mtl_core.data.imports.looking.number_maps import read_map
from mtl_core.data.imports.looking.questions import FileNote, Question, Reading
from mtl_core.data.imports.picture_reading import EXTENSIONS, MOST_BYTES, frames_of, open_image
from mtl_core.data.imports.tree import Tree, UnreadableError

_LOOKED_AT = 24
_MEASURED = 200
UNREAD_PICTURES = {
    **dict.fromkeys((".heic", ".heif", ".hif", ".avif"), "save them as JPEG, or install pillow-heif"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"), "a camera's raw pictures: export them as JPEG, PNG or TIFF"),
    **dict.fromkeys((".jp2", ".j2k", ".jxl", ".psd", ".xcf", ".svg", ".tga", ".dds", ".ico", ".hdr"), "save them as PNG, JPEG or TIFF"),
    **dict.fromkeys((".dcm", ".nii", ".mha", ".mhd", ".nrrd"), "medical volumes: export slices as 16-bit PNG or TIFF"),
    **dict.fromkeys((".svs", ".ndpi", ".mrxs", ".czi", ".lif", ".nd2"), "whole slides or microscope files: export regions as PNG or TIFF"),
    **dict.fromkeys((".exr", ".mat", ".npz", ".h5", ".hdf5", ".bin"), "save maps as 16-bit PNG, npy or PFM, and pictures as PNG"),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".webm"), "videos: save their frames as pictures"),
    **dict.fromkeys((".tfrecord", ".tfrecords", ".lmdb", ".rec"), "write the pictures out as files"),
}


def unread_endings(tree: Tree) -> list[FileNote]:
    """Notes on unread files that may hold pictures, counted per ending, with what to do."""
    counts = Counter(splitext(name)[1].lower() for name in tree.files)
    return [
        FileNote(f"*{end}", counts[end], False, f"seen, not read: {what}")
        for end, what in UNREAD_PICTURES.items()
        if counts[end] and end not in EXTENSIONS
    ]


def levels_of(tree: Tree, keys: list[str]) -> tuple[tuple[float, float] | None, str, Question | None]:
    """(black, white) of 16-bit and float pictures, one range for the whole set; a sentence about it; an open question or None."""
    keys = [key for key in keys if not is_inner(key)]
    if not any(_is_deep(tree, key) for key in keys[:: max(1, len(keys) // _LOOKED_AT)][:_LOOKED_AT]):
        return None, "", None
    low, high, whole, looked_at = np.inf, -np.inf, True, 0
    for key in keys[:: max(1, -(-len(keys) // _MEASURED))]:
        if not _is_deep(tree, key):
            continue
        try:
            values = read_map(tree.read(key, MOST_BYTES), key)
        except UnreadableError:
            continue
        known = values[np.isfinite(values)]
        if known.size:
            low, high, looked_at = min(low, float(known.min())), max(high, float(known.max())), looked_at + 1
            whole = whole and not (known % 1).any()
    if not looked_at or low == high:
        return None, "", None
    return _decided(low, high, whole, looked_at, tuple(keys[:3]))


def _decided(
    low: float, high: float, whole: bool, looked_at: int, examples: tuple[str, ...]
) -> tuple[tuple[float, float] | None, str, Question | None]:
    seen = f"{looked_at:,} pictures of more than 8 bits hold {'whole numbers' if whole else 'floats'} from {low:g} to {high:g}"
    measured = Reading("measured", f"{low:g} is black, {high:g} is white, as measured", {"images.levels": [low, high]})
    if whole and low >= 0 and high <= 255:
        return (0.0, 255.0), f"{seen}: 8 bits in a larger file; 0 is black and 255 white in all of them.", None
    if whole and 32767 < high <= 65535 and low >= 0:
        return None, f"{seen}: 0 is black and 65535 white in all of them.", None
    if not whole and low >= 0 and high <= 1:
        return (0.0, 1.0), f"{seen}: 0 is black and 1 white in all of them.", None
    readings = [measured]
    if whole and low >= 0 and high <= 65535:
        bits = int(high).bit_length()
        readings = [
            Reading("bits", f"{bits} bits: 0 is black, {2**bits - 1} is white", {"images.levels": [0.0, float(2**bits - 1)]}),
            Reading("sixteen", "16 bits: 0 is black, 65535 is white", {"images.levels": None}),
            *([measured] if (low, high) != (0.0, 2**bits - 1) else []),
        ]
    elif not whole and low >= 0 and high <= 255:
        readings = [Reading("bytes", "0 is black, 255 is white", {"images.levels": [0.0, 255.0]}), measured]
    first = readings[0]
    question = (
        Question("levels", "Which numbers are black and white?", tuple(readings), first.name, f"{seen}.", examples) if len(readings) > 1 else None
    )
    return tuple(first.changes["images.levels"]), f"{seen}: read as {first.title}, in all of them ('images.levels').", question  # type: ignore[return-value]


def stacks_in(tree: Tree, keys: list[str]) -> tuple[str, Question | None]:
    """A sentence and a question about files that hold several pictures; '' and None if there are none."""
    keys = [key for key in keys if key.lower().endswith((".tif", ".tiff"))]
    counts = Counter()
    for key in keys[:: max(1, len(keys) // _LOOKED_AT)][:_LOOKED_AT]:
        try:
            counts[frames_of(tree.read(key, MOST_BYTES))] += 1
        except UnreadableError:
            continue
    most = max(counts, default=1)
    if most < 2:
        return "", None
    seen = f"{sum(n for count, n in counts.items() if count > 1)} of {sum(counts.values())} TIFF files looked at hold several pictures, up to {most}"
    every = {"images.frames": "all", "splits.groups": "blocks", "splits.block": most}
    readings = (
        Reading("first", "the first of each file", {"images.frames": "first"}),
        Reading("all", "each one; neighbours stay in one part of the data", every),
    )
    return f"{seen}: the first is used.", Question("frames", "Which pictures of a stack are used?", readings, "first", f"{seen}.", tuple(keys[:3]))


def _is_deep(tree: Tree, key: str) -> bool:
    try:
        mode = open_image(tree.read(key, MOST_BYTES)).mode
    except UnreadableError:
        return False
    return mode.startswith("I") or mode == "F"
