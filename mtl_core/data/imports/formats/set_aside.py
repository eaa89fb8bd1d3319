"""Exclusion of files that belong to pictures and are no pictures themselves, with the reason for each that is not read."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.formats import Context
from mtl_core.data.imports.formats.maps.mask_class_lists import ClassList
from mtl_core.data.imports.looking.json_files import Head, heads
from mtl_core.data.imports.looking.name_roles import Role
from mtl_core.data.imports.looking.number_maps import is_map
from mtl_core.data.imports.looking.pairing import Pair
from mtl_core.data.imports.looking.picture_contents import MASKS, content_of
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.picture_reading import is_picture
from mtl_core.data.imports.tree import Tree

_DEPTH = re.compile(r"depth|dispar|(?<![a-z])disp|z_?map|distance|range_?map")
_INSTANCES = re.compile(r"instance|object|(?<![a-z])inst(?![a-z])|panoptic", re.IGNORECASE)
_ASIDE = re.compile(r"mask|label|annot|segm|trimap|ground.?truth|normal|instance|depth|dispar|matte|(?<![a-z])gt(?![a-z])", re.IGNORECASE)


def is_depth(pair: Pair) -> bool:
    """Whether these files are for the format of depth maps."""
    named = bool(_DEPTH.search(f"{pair.files.words()} {pair.files.folder}".lower()))
    return pair.kind == "depth" or (named and pair.kind in ("grey", "index", "objects", "soft"))


def set_aside(context: Context, pair: Pair, pictures: set[str], reason: str) -> None:
    """Exclude files that are neither pictures nor targets from the images, with a note."""
    for name, values in outside(pair.files, pictures).items():
        context.aside.setdefault(name, []).extend(values)
    context.not_understood(pair.files.words(), reason, count_of(context, pair.files))


def outside(role: Role, pictures: set[str]) -> dict[str, list[str]]:
    """Fields of ``ImageSpec`` that leave a role's files out of the images."""
    whole = role.folder and not any(Role(role.folder).core(picture) is not None for picture in pictures)
    if whole:
        return {"exclude": [role.folder]}
    if role.suffix and not role.folder and not role.prefix:
        return {"exclude_suffixes": [role.suffix]}
    escaped = [re.sub(r"([\[?])", r"[\1]", text) for text in (role.folder, role.prefix, role.suffix)]
    above = f"{escaped[0]}/" if role.folder else ""
    return {"exclude_files": [f"{above}*{'/' if role.prefix else ''}{escaped[1]}{'*' if role.prefix else ''}{escaped[2]}{role.ending or '.*'}"]}


def of_pair(pair: Pair) -> dict[str, str]:
    """Options that select the files of a pair and their pictures."""
    files, images = pair.files, pair.images
    options = {"folder": files.folder, "suffix": files.suffix, "prefix": files.prefix, "images": images.folder}
    options |= {"image_suffix": images.suffix, "image_prefix": images.prefix}
    inside = not files.folder or bool(images.folder and f"{images.folder}/".startswith(f"{files.folder}/")) or not images.folder
    options["ending"] = files.ending if inside and not (files.suffix or files.prefix) else ""
    return {name: value for name, value in options.items() if value or name in ("folder", "suffix")}


def count_of(context: Context, role: Role) -> int:
    """Number of files of a role."""
    return sum(1 for name in context.tree.files if is_map(name) and role.core(name) is not None)


def files_of(context: Context, role: Role) -> list[str]:
    """Picture files of a role, in order."""
    return [name for name in context.tree.files if is_picture(name) and role.core(name) is not None]


def is_panoptic(tree: Tree, pair: Pair) -> bool:
    """Whether a COCO panoptic JSON beside the folder says that its colours number segments."""
    folder = pair.files.folder
    return bool(folder) and "segments_info" in heads(tree).get(f"{folder}.json", Head()).entry("annotations")


def no_mask(pair: Pair, listed: dict[Pair, bool], pairs: list[Pair]) -> str:
    """Why these files are not masks of classes; '' if they are."""
    name = f"{pair.files.folder} {pair.files.prefix} {pair.files.suffix}"
    if pair.kind == "normals":
        return "seen, not understood: surface normals as colours; no kind of task learns them. They are left out of the pictures"
    if pair.kind == "objects":
        return "seen, not understood: numbers of single objects above 255, not of classes; masks of class numbers are read"
    if pair.kind == "unreadable":
        return f"seen, not understood: {next((c.reason for c in pair.contents.values() if c.reason), 'not readable')}"
    if pair.kind not in MASKS:
        return "seen, not understood: pictures that belong to other pictures, neither masks nor depth maps. They are left out of the pictures"
    others = sorted(
        (other for other in pairs if other is not pair and other.kind in MASKS and {p for _, p in other.pairs} & {p for _, p in pair.pairs}),
        key=lambda other: (bool(_INSTANCES.search(other.files.words())), not listed[other], other.kind != "index"),
    )
    if _INSTANCES.search(name) and others:
        return f"seen, not read: masks of single objects; the classes are in '{others[0].files.words()}'"
    better = [
        other for other in others if (listed[other] and not listed[pair]) or (other.kind == "index" and pair.kind == "colours" and not listed[pair])
    ]
    if pair.kind == "colours" and better:
        return f"seen, not read: the same in colours that no list explains; the classes are in '{better[0].files.words()}'"
    twins = [
        other for other in others if other.kind == "index" and listed[other] and pair.kind == "colours" and other.files.folder == pair.files.folder
    ]
    if twins:
        return f"seen, not read: the same in colours; the classes are in '{twins[0].files.words()}'"
    return ""


def explained(pairs: list[Pair], lists: list[ClassList]) -> dict[Pair, bool]:
    """Pair -> whether a list names (nearly) all numbers or colours in its content."""
    found = {}
    for pair in pairs:
        seen = {key for content in pair.contents.values() for key in content.counts}
        if pair.kind == "colours":
            found[pair] = any(len(seen & one.colours.keys()) >= 0.7 * len(seen) for one in lists if one.colours)
        else:
            cityscapes = pair.files.suffix.endswith("_labelIds")
            found[pair] = cityscapes or any(seen - {0, IGNORE} <= one.names.keys() and one.names for one in lists)
    return found


def ask_what(context: Context, pair: Pair, pictures: set[str]) -> None:
    """Ask whether files are pictures of their own, if neither pixels nor names show it."""
    words, number = pair.files.words(), count_of(context, pair.files)
    away = outside(pair.files, pictures - {file for file, _ in pair.pairs})
    field_, values = next(iter(away.items()))
    out = Reading("left_out", "no pictures: masks, depth maps or the like, left out", {f"images.{field_}": values})
    own = Reading("pictures", "pictures of their own", {f"images.{field_}": []})
    taken = "left_out" if pair.kind in ("index", "colours", "soft", "normals", "objects") or re.search(_DEPTH, words.lower()) else "pictures"
    if taken == "left_out":
        context.aside.setdefault(field_, []).extend(values)
        context.not_understood(words, "seen, not understood: whether they are pictures or belong to pictures is asked; left out until then", number)
    one = len({content.kind for content in pair.contents.values()}) < 2
    held = _holds(pair.kind) if one else "pixels of several kinds"
    evidence = f"{number:,} files have the names of '{pair.images.words()}'. They hold {held}; those hold {_holds(pair.picture_kind)}."
    examples = tuple(picture for _, picture in pair.pairs[:3]) + tuple(file for file, _ in pair.pairs[:3])
    context.questions.append(Question("what", f"What are the files '{words}'?", (out, own), taken, evidence, examples))


def _holds(kind: str) -> str:
    words = {
        "photo": "photographs in colour",
        "grey": "many shades of grey",
        "depth": "16-bit or float numbers",
        "index": "few numbers in large areas",
    }
    words |= {"colours": "few colours in large areas", "soft": "black and white with smooth edges", "normals": "unit vectors as colours"}
    return words.get(kind, kind)


def set_orphans_aside(context: Context, pairs: list[Pair]) -> None:
    """Exclude folders with the names and content of masks whose files belong to no picture by name."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in context.tree.files:
        folder = name.rpartition("/")[0]
        last = folder.rpartition("/")[2]
        if folder and is_picture(name) and _ASIDE.search(last):
            groups[last].append(name)
    for last, names in groups.items():
        folders = sorted({name.rpartition("/")[0] for name in names})
        if any(
            pair.files.core(name) is not None or (pair.images.core(name) is not None and pair.images.folder) for pair in pairs for name in names[:3]
        ):
            continue
        kinds = Counter(content_of(context.tree, name).kind for name in names[:: max(1, len(names) // 4)][:4])
        if sum(kinds[kind] for kind in (*MASKS, "objects", "normals", "depth")) * 2 <= sum(kinds.values()):
            continue
        if len(names) >= sum(1 for name in context.tree.files if is_picture(name)):
            continue
        same = [parts[0] if len(set(parts)) == 1 else "*" for parts in zip(*(folder.split("/")[:-1] for folder in folders), strict=False)]
        pattern = "/".join([*same, last]) if len({folder.count("/") for folder in folders}) == 1 else ""
        context.aside.setdefault("exclude", []).extend([pattern] if pattern else folders)
        reason = (
            "seen, not understood: they look like masks or depth maps, but no picture has their names. "
            "Left out of the pictures; name them as their pictures"
        )
        context.not_understood(f"{pattern or folders[0]}/*", reason, len(names))
