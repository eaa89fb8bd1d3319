"""Vocabularies of column names: classes, quantities, groups of images, parts of the data, sources of rows."""

from __future__ import annotations

import re
from collections.abc import Iterable


def in_text(words: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(words.split())


CLASSES = in_text(
    "class classes classname classid label labels labelname labelid category categories categoryid cls type kind species breed digit "
    "letter character code sort make model brand colour color shape diagnosis dx disease condition sex gender orientation pose weather "
    "emotion expression ethnicity race material defect damage state status country genus family variety cultivar object objectclass "
    "superclass subclass coarse fine"
)
QUANTITIES = in_text(
    "age ages price prices year years month count counts number num total sum size weight height width length depth distance "
    "temperature temp duration area volume speed velocity angle amount cost salary income mass calories humidity pressure percent "
    "percentage ratio share fraction lat lon latitude longitude altitude elevation mean median std value bmi dose rate population km "
    "miles yield diameter radius perimeter thickness score points intensity brightness contrast slant ink exposure iso"
)
GROUPS = in_text(
    "patient patients subject subjects participant case study series video clip sequence seq scene session slide lesion individual "
    "animal donor volunteer person identity writer speaker user specimen mouse group household flight burst track tracklet vehicle "
    "visit exam"
)
STRICT_GROUPS = in_text("patient patients subject subjects participant participants donor volunteer specimen lesion")
FOLDS = frozenset(["fold", "folds", "kfold", "cvfold"])
PROVENANCE = in_text(
    "source annotator rater raters reader grader observer labeler labeller expert worker annotators author licence license photographer "
    "uploader tool version comment comments note notes remark remarks description caption title url link href md5 sha sha1 sha256 hash "
    "checksum timestamp created updated confidence usage camera device"
)
IDENTIFIERS = in_text("id ids index idx no nr frame unnamed path file filename filepath uuid guid key row")
_ALONE = frozenset({"group", "household", "mouse", "vehicle", "animal", "series"})
PART_WORDS = {
    **dict.fromkeys(("train", "training", "trn", "tr", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "validate", "tuning", "valset", "publictest"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "eval", "evaluation", "testset", "privatetest"), "test"),
}
SPLITS = in_text("split set subset partition part phase usage dataset trainvaltest traintest stage fold evaluation status")


def words_of(name: str) -> list[str]:
    """The words of a column's name in lower case: ``patient_ID`` and ``patientId`` give patient, id."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.strip())
    return [word.lower() for word in re.split(r"[\W_]+", apart) if word]


def means(name: str, vocabulary: frozenset[str]) -> bool:
    """Whether the name's last word, without identifiers at its end, or the name as one word is in the vocabulary."""
    words = words_of(name)
    if words and words[-1] in _ALONE and len(words) > 1:
        return False  # a writer_group is a kind of writer
    while len(words) > 1 and (words[-1] in IDENTIFIERS or words[-1] in ("name", "code", "num", "number")):
        words = words[:-1]
    return bool(words) and (words[-1] in vocabulary or "".join(words) in vocabulary)


def is_group(name: str, cells: Iterable[str]) -> bool:
    """Whether a column marks groups of images: its name means patients and the like, or scenes and the like with numbered cells."""
    if means(name, STRICT_GROUPS) or means(name, FOLDS):
        return True
    different = list(dict.fromkeys(cell for cell in cells if cell))[:200]
    return means(name, GROUPS) and sum(any(c.isdigit() for c in cell) for cell in different) > 0.5 * len(different)


def is_quantity(name: str) -> bool:
    """Whether the name means a measured or counted quantity or ends with a unit."""
    words = words_of(name)
    units = (
        "mm",
        "cm",
        "m",
        "km",
        "kg",
        "g",
        "mg",
        "ml",
        "l",
        "deg",
        "degrees",
        "px",
        "pixels",
        "percent",
        "pct",
        "s",
        "sec",
        "seconds",
        "ms",
        "hz",
        "eur",
        "usd",
    )
    return bool(words) and (
        means(name, QUANTITIES) or words[0] in ("num", "count", "n", "nb", "avg", "mean") or (len(words) > 1 and words[-1] in units)
    )


def is_identifier(name: str) -> bool:
    """Whether the name's last word means an identifier of rows or files."""
    words = words_of(name)
    return not words or words[-1] in IDENTIFIERS


def part_of(text: str) -> str:
    """train, val or test for a word that means it; else ''."""
    return PART_WORDS.get(text.strip().lower(), "")


def part_of_file(file: str) -> str:
    """The part in a table's name or folder: ``labels_train.csv``, ``val/metadata.csv``; '' for none or two."""
    for text in reversed(file.split("/")):
        found = {PART_WORDS[word] for word in (re.sub(r"\d+$", "", w) for w in words_of(text)) if word in PART_WORDS and len(word) > 2}
        if found:
            return found.pop() if len(found) == 1 else ""
    return ""
