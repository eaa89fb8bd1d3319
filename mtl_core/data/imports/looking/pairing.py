"""Pairing of pictures with their masks, depth maps or the like, by related names and by the content of the files.

Names are related if they share a core: ``leftImg8bit/train/a_000_leftImg8bit.png`` and ``gtFine/train/a_000_gtFine_color.png`` share ``train``
and ``a_000``. All files that differ from their pictures in the same way have one ``Role``.
"""

from __future__ import annotations

import re
import weakref
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from posixpath import splitext

from mtl_core.data.imports.looking.name_roles import Role, part_in, plain_part
from mtl_core.data.imports.looking.number_maps import is_map
from mtl_core.data.imports.looking.picture_contents import Content, content_of
from mtl_core.data.imports.tree import Tree

_SAMPLED = 3000  # most names that are compared
_MOST_COMPARED = 12_000  # most files that are compared, after every n-th name is taken
_LOOKED_AT = 6  # files of one role whose pixels are read
_MOST_ALIKE = 12  # most files of one name that are compared with each other; more are no pairs
_RANK = {"photo": 5, "grey": 4, "depth": 3, "normals": 2, "colours": 2, "objects": 1, "index": 1, "soft": 1, "unreadable": 0}
_TARGET = re.compile(
    r"mask|label|seg|annot|trimap|\bgt|_gt|gt_|gtfine|gtcoarse|ground.?truth|manual|depth|disp|normal|instance|matte|alpha|target|lesion|color_?map|class"
)
_NO_PHOTO = re.compile(r"depth|dispar|normal|overlay|blend|visual|heat.?map|color.?map|segmentation|(?<![a-z])(mask|vis|label)s?(?![a-z])")
_ALSO_CLASS = re.compile(r"normal|class|target|alpha|lesion")  # names of masks that are names of classes as well
_IMAGE = re.compile(r"image|img|rgb|photo|picture|jpeg|color|colour|left|frame|sat|original|input|scan|raw")
_TAIL = re.compile(r"[_.\- ][^_.\- ]*$")
_KNOWN: weakref.WeakKeyDictionary[Tree, list[Pair]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Pair:
    """A role of files that belong to pictures.

    Attributes:
        files: role of the files; ``images``: role of their pictures.
        pairs: (file, picture) of the compared files. ``contents``: content of some of the files.
        kind: content of most files. ``certain``: whether pixels or names show which of the two is the picture.
    """

    files: Role
    images: Role
    pairs: tuple[tuple[str, str], ...]
    contents: dict[str, Content] = field(hash=False)
    kind: str = ""
    certain: bool = True
    picture_kind: str = "photo"


def pairs_in(tree: Tree) -> list[Pair]:
    """Every role of files that belong to pictures; cached per tree."""
    if tree not in _KNOWN:
        _KNOWN[tree] = _Pairing(tree).found()
    return _KNOWN[tree]


class _Pairing:
    def __init__(self, tree: Tree):
        self.tree = tree
        self.files = [name for name in tree.files if is_map(name)]
        self._contents: dict[str, Content] = {}
        tails: Counter[str] = Counter()
        self.split = {}
        for name in self.files:
            folder, _, base = name.rpartition("/")
            stem, ending = splitext(base)
            self.split[name] = (folder, stem, ending.lower())
            tails.update({*_tails(stem), *((stem,) if folder else ())})
        self.parts = {folder: part_in(folder) for folder in {folder for folder, _, _ in self.split.values()}}
        # With many names only every n-th is compared, the same ones on both sides. With many folders of a few names only the first folders.
        self.thin = max(1, len({stem for _, stem, _ in self.split.values()}) // _SAMPLED)
        self.compared = self.files[: _MOST_COMPARED * self.thin]
        self.tails = {tail for tail, count in tails.items() if count > 1}

    def found(self) -> list[Pair]:
        votes: dict[tuple, list[tuple[str, str]]] = defaultdict(list)
        for (first, second), (_, relation) in self._related().items():
            votes[relation].append((first, second))
        targets: dict[tuple, tuple] = {}
        covered = {}
        for (a, b), pairs in sorted(votes.items(), key=lambda item: -len(item[1])):
            if len(pairs) < 2 and len(self.files) > 4:
                continue
            step = max(1, len(pairs) // _LOOKED_AT)
            sample = pairs[::step][:_LOOKED_AT]
            kind_a, kind_b = self._kind([x for x, _ in sample]), self._kind([y for _, y in sample])
            verdict = self._picture_of(kind_a, kind_b, a, b, sample)
            if verdict is None:
                continue
            first_is_image, certain = verdict
            rank_a, rank_b = _RANK[kind_a], _RANK[kind_b]
            target, image = (b, a) if first_is_image else (a, b)
            ordered = tuple(pair[::-1] if first_is_image else pair for pair in pairs)
            strength = (certain, max(rank_a, rank_b), len(pairs), _alike(target[2], image[2]), -_stripped(target) - _stripped(image))
            mine = targets.get(target)
            if mine is None or strength > mine[0]:
                targets[target] = (strength, image, ordered, kind_b if first_is_image else kind_a, certain, kind_a if first_is_image else kind_b)
        # each file is a target once, in its strongest relation
        for target, entry in sorted(targets.items(), key=lambda item: item[1][0], reverse=True):
            files = {file for file, _ in entry[2]}
            if len(files & covered.keys()) * 2 < len(files):
                covered.update(dict.fromkeys(files, target))
            else:
                targets.pop(target)
        pictures = {image for _, _, pairs, *_ in targets.values() for _, image in pairs}
        targeted = {file for _, _, pairs, *_ in targets.values() for file, _ in pairs}
        beside = Counter((folder, stem) for name, (folder, stem, _) in self.split.items() if name not in targeted)
        made = []
        for target, (_, image, pairs, kind, certain, picture_kind) in targets.items():
            files = {file for file, _ in pairs}
            if not certain and len(files & pictures) * 2 > len(files):
                continue
            # n.jpg, n.png and n.webp: which of them does n.tif belong to?
            certain = certain and sum(beside[self.split[picture][:2]] > 1 for _, picture in pairs) * 2 <= len(pairs)
            made += self._described(target, image, pairs, kind, certain, picture_kind)
        return sorted(made, key=lambda pair: pair.files.words())

    def _content(self, name: str) -> Content:
        if name not in self._contents:
            self._contents[name] = content_of(self.tree, name)
        return self._contents[name]

    def _kind(self, names: list[str]) -> str:
        kinds = Counter(self._content(name).kind for name in dict.fromkeys(names))
        if "unreadable" in kinds and len(kinds) > 1:
            del kinds["unreadable"]
        if kinds["index"] and set(kinds) <= {"index", "soft"}:  # some masks of one set have no edge
            return "soft" if kinds["soft"] else "index"
        return kinds.most_common(1)[0][0]

    def _picture_of(self, kind_a: str, kind_b: str, a: tuple, b: tuple, sample: list[tuple[str, str]]) -> tuple[bool, bool] | None:
        """(first is the picture, certain); None if both are pictures of their own. Pixels decide first, then names."""
        words_a, words_b = _own_words(*sample[0]), _own_words(*sample[0][::-1])
        named = bool(_TARGET.search(words_b)) - bool(_TARGET.search(words_a))  # 1: the second name is that of a mask or map
        said = named or bool(_IMAGE.search(words_a)) - bool(_IMAGE.search(words_b))
        same_size = sum(self._content(x).size == self._content(y).size for x, y in sample) * 2 > len(sample)
        arrays = [splitext(name)[1].lower() in (".npy", ".pfm") for name in sample[0]]
        if any(arrays):
            return None if all(arrays) else (arrays[1], True)
        if kind_a == kind_b == "photo":
            strong = bool(_NO_PHOTO.search(words_b)) - bool(_NO_PHOTO.search(words_a))
            return (strong > 0, False) if strong and same_size else None
        if "photo" in (kind_a, kind_b):
            first = kind_a == "photo"
            if named == (1 if first else -1):
                return first, True
            said = 0 if said == (1 if first else -1) else said
            return (first, (kind_b if first else kind_a) not in ("grey", "soft", "unreadable") and said == 0) if same_size else None
        if said and kind_a != kind_b:
            return said > 0, True
        if named:
            return named > 0, bool(_TARGET.search(_ALSO_CLASS.sub(" ", words_b if named > 0 else words_a)))
        if kind_a == kind_b:
            return None  # such as folders 'photo' and 'sketch', 'raw' and 'cooked'
        if _RANK[kind_a] != _RANK[kind_b] and same_size:
            first = _RANK[kind_a] > _RANK[kind_b]
            clear = (kind_a if first else kind_b) in ("grey", "depth") and (kind_b if first else kind_a) in ("index", "colours", "objects")
            return (first, True) if clear and a[3:5] != b[3:5] else (first, False)
        return None

    def _related(self) -> dict[tuple[str, str], tuple[int, tuple]]:
        """(file, file) -> (cost: characters stripped from their names, their relation)."""
        thin = self.thin
        buckets: dict[tuple, list[tuple[str, tuple, int]]] = defaultdict(list)
        for name in self.compared:
            folder, stem, ending = self.split[name]
            parts = folder.split("/") if folder else []
            for core, prefix, suffix in self._cores(stem, bool(parts)):
                if thin > 1 and core and zlib.crc32(core.encode()) % thin:
                    continue
                if not core and (not parts or zlib.crc32(folder.encode()) % thin):
                    continue
                for place, role, cost in _places(parts):
                    buckets[core, place].append((name, (*role, prefix, suffix, ending), cost + len(prefix) + len(suffix)))
        best: dict[tuple[str, str], tuple[int, tuple]] = {}
        for entries in buckets.values():
            if not len(entries) > 1 or len({name for name, _, _ in entries}) > _MOST_ALIKE:
                continue
            for n, (a, role_a, cost_a) in enumerate(entries):
                for b, role_b, cost_b in entries[n + 1 :]:
                    if len({part for part in (self.parts[self.split[a][0]], self.parts[self.split[b][0]]) if part}) > 1:
                        continue  # one of train, one of test
                    if (
                        a == b
                        or role_a == role_b
                        or (role_a[0] != role_b[0] and "star" in (role_a[0], role_b[0]) and "class" not in (role_a[0], role_b[0]))
                    ):
                        continue
                    if a > b:
                        key, relation = (b, a), (role_b, role_a)
                    else:
                        key, relation = (a, b), (role_a, role_b)
                    cost = cost_a + cost_b
                    if key not in best or cost < best[key][0]:
                        best[key] = (cost, relation)
        return best

    def _cores(self, stem: str, in_folder: bool) -> Iterator[tuple[str, str, str]]:
        """Every (core, prefix, suffix) of a stem whose suffix other names share."""
        yield stem, "", ""
        for tail in _tails(stem):
            if tail in self.tails:
                yield stem[: -len(tail)], "", tail
        if in_folder and stem in self.tails and not stem.isdigit():
            yield "", "", stem
        for head in dict.fromkeys(re.findall(r"^(?:[A-Za-z]+[_.\- ]?(?=\d)|[A-Za-z]+[_.\- ])", stem)):
            if len(head) < len(stem):
                yield stem[len(head) :], head, ""

    def _described(self, target: tuple, image: tuple, pairs: tuple, kind: str, certain: bool, picture_kind: str) -> list[Pair]:
        """Pairs with roles: one role for all files, or one for each folder if no single pattern fits."""
        contents = {name: self._contents[name] for name, _ in pairs if name in self._contents}
        made = []
        for role in self._roles(target, [file for file, _ in pairs]):
            mine = tuple(pair for pair in pairs if role.core(pair[0]) is not None)
            pictures = self._roles(image, [picture for _, picture in mine])
            whole = pictures[0] if len(pictures) == 1 else Role("", pictures[0].prefix, pictures[0].suffix, pictures[0].ending)
            # a suffix that both names share stays in the core: '21_training' and '21_training_mask' differ by '_mask'
            files = role
            if whole.suffix and files.suffix.startswith(whole.suffix):
                files, whole = (
                    Role(files.folder, files.prefix, files.suffix[len(whole.suffix) :], files.ending),
                    Role(whole.folder, whole.prefix, "", whole.ending),
                )
            made.append(Pair(files, whole, mine, {n: c for n, c in contents.items() if role.core(n) is not None}, kind, certain, picture_kind))
        return made

    def _roles(self, role: tuple, names: list[str]) -> list[Role]:
        mode, at, part, prefix, suffix, ending = role
        folders = sorted({self.split[name][0] for name in names})
        if mode == "same":
            if prefix or suffix or len({self.split[name][2] for name in self.files}) == 1:
                return [Role("", prefix, suffix, ending)]
            common = _common(folders)
            everything = sum(1 for name in self.files if (f"{name}/").startswith(f"{common}/" if common else "") and self.split[name][2] == ending)
            thin = max(1, len(self.files) // max(1, len(self.compared)) * self.thin)
            if everything <= 1.3 * thin * len(names) + 3 or len(folders) > 8:
                return [Role(common, prefix, suffix, ending)]
            return [Role(folder, prefix, suffix, ending) for folder in folders]
        if mode == "class" and len(under := {folder.split("/")[at + 1] for folder in folders}) == 1:
            part = f"{part}/{under.pop()}"
        before = [folder.split("/")[:at] for folder in folders]
        same = [parts[0] if len(set(parts)) == 1 else "*" for parts in zip(*before, strict=True)]
        return [Role("/".join([*same, part]), prefix, suffix, ending)]


def _places(parts: list[str]) -> Iterator[tuple[tuple, tuple, int]]:
    """(place, role, cost) of a folder: its path as it is, with one part left open, or with one part left out."""
    plain = [plain_part(part) for part in parts]
    whole = tuple(plain)
    yield ("=", *whole), ("same", 0, ""), 0
    for at in range(len(parts)):
        yield ("*", *whole[:at], None, *whole[at + 1 :]), ("star", at, parts[at]), 1
        yield ("=", *whole[:at], *whole[at + 1 :]), ("more", at, parts[at]), 1
        if at + 1 < len(parts):  # masks/cat/0.png of images/0.jpg
            yield ("*", *whole[:at], None, *whole[at + 2 :]), ("class", at, parts[at]), 3
            yield ("=", *whole[:at], *whole[at + 2 :]), ("class", at, parts[at]), 4


def _tails(stem: str) -> list[str]:
    """Ends of a stem that may name a role: its last words, at least one with a letter."""
    found, rest = [], stem
    for _ in range(3):
        match = _TAIL.search(rest)
        if not match or not match.start():
            break
        rest = rest[: match.start()]
        tail = stem[len(rest) :]
        if re.search("[A-Za-z]", match[0]) is None and not found:
            break
        found.append(tail)
    glued = re.search(r"(?<=\d)[A-Za-z]+$", stem)
    return [*found, glued[0]] if glued else found


def _own_words(name: str, other: str) -> str:
    """The words of a name that its partner's name lacks, in lower case."""
    theirs = set(re.split(r"[/_.\- ]", other.lower()))
    return " ".join(word for word in re.split(r"[/_.\- ]", splitext(name)[0].lower()) if word not in theirs)


def _alike(one: str, other: str) -> float:
    """Similarity of two folder names from 0 to 1: 'left_img' is nearer to 'left_mask' than to 'right_mask'."""
    return SequenceMatcher(None, one.lower(), other.lower()).ratio()


def _stripped(role: tuple) -> int:
    return len(role[3]) + len(role[4]) + (role[0] != "same")


def _common(folders: list[str]) -> str:
    """The deepest common folder."""
    parts = [folder.split("/") for folder in folders]
    common = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return "/".join(common)
