"""The possible tables of a set, in the order in which they are read, and notes on files that are left out."""

from __future__ import annotations

from mtl_core.data.imports.formats import AmbiguousImageError, Context, stem_of
from mtl_core.data.imports.formats.foreign import is_foreign
from mtl_core.data.imports.looking.json_files import heads
from mtl_core.data.imports.tables.table_reading import JSON_LINES

_TABLES = (".csv", ".tsv", ".xlsx", ".xlsm", ".parquet", *JSON_LINES)
_TEXTS = (".txt", ".lst", ".list", ".dat")
_MOST_TABLES, _MOST_TEXTS, _MOST_JSON = 300, 60, 20
_JSON_BYTES = 64 << 20
_SKIPPED = ("readme", "license", "attribution", "intrinsics", "requirements", "changelog")
_PLACEHOLDERS = ("submission",)  # names of test pictures with invented answers
OTHERS = {
    ".xls": "an old Excel file: save it as xlsx or CSV",
    ".ods": "an OpenDocument table: save it as xlsx or CSV",
    ".numbers": "a table of Apple Numbers: export it as CSV or xlsx",
    ".pkl": "a pickle, which may run code when it is opened, and so is never opened: save what it holds as CSV",
    ".pickle": "a pickle, which may run code when it is opened, and so is never opened: save what it holds as CSV",
    ".sqlite": "a database: export its table as CSV",
    ".db": "a database: export its table as CSV",
    ".feather": "a feather table: save it as parquet or CSV",
    ".arrow": "an Arrow file, as Hugging Face's cache holds: save the data set as parquet or as a folder of images with metadata.csv",
    ".mat": "a MATLAB file: write its pictures and labels to files first "
    "('Pictures inside a file' in docs/own-pictures.md has the lines for NYU Depth v2)",
    ".h5": "an HDF5 file: write its pictures and labels to files first ('Pictures inside a file' in docs/own-pictures.md)",
    ".hdf5": "an HDF5 file: write its pictures and labels to files first ('Pictures inside a file' in docs/own-pictures.md)",
    ".npz": "numpy arrays in one file: write the pictures as PNG and the labels as CSV first ('Pictures inside a file' in docs/own-pictures.md)",
}


def table_files(context: Context) -> list[str]:
    """Possible tables, without files of other formats and of tools that are not read. Adds notes on files that cannot be read."""
    read, begins = {note.files for note in context.notes if note.read}, heads(context.tree)
    tables, texts, jsons, lists, others = [], [], [], [], {}
    for file in context.tree.files:
        lower = file.lower()
        base = lower.rpartition("/")[2]
        ending = next((end for end in OTHERS if base.endswith(end)), "")
        if ending:
            others.setdefault(ending, []).append(file)
        if any(word in base for word in _SKIPPED) or file in read or (file in begins and (begins[file].error or is_foreign(begins[file]))):
            continue
        if base.endswith(_TABLES):
            if any(word in base for word in _PLACEHOLDERS):
                context.not_understood(file, "a sample submission: its answers are placeholders, not labels")
            else:
                tables.append(file)
        elif _is_voc_list(lower) and "_" in base:
            lists.append(file)
        elif base.endswith(_TEXTS) and len(texts) < 20 * _MOST_TEXTS and not _is_voc_list(lower) and not _belongs_to_picture(context, file):
            texts.append(file)
        elif (
            base.endswith(".json")
            and len(jsons) < 20 * _MOST_JSON
            and context.tree.files[file] <= _JSON_BYTES
            and not _belongs_to_picture(context, file)
        ):
            jsons.append(file)
    if lists:
        reason = "lists of the images that have one class (1, 0, -1), as Pascal VOC has them: its boxes say the same"
        context.not_understood(lists[0] if len(lists) == 1 else f"{lists[0].rpartition('/')[0]}/*_*.txt", reason, len(lists))
    for ending, files in others.items():
        context.not_understood(files[0] if len(files) == 1 else f"*{ending}", OTHERS[ending], len(files))
    if len(tables) > _MOST_TABLES:
        context.not_understood("*.csv", f"there are {len(tables):,} tables; the first {_MOST_TABLES} are read", len(tables) - _MOST_TABLES)
    return [*tables[:_MOST_TABLES], *(jsons[:_MOST_JSON]), *_of_few_kinds(texts)]


def _is_voc_list(file: str) -> bool:
    """Whether a file is one of Pascal VOC's ImageSets: names of images, or of one class with 1, 0, -1, which its boxes contain as well."""
    return "imagesets/" in file


def _belongs_to_picture(context: Context, file: str) -> bool:
    """Whether a text belongs to one picture, such as YOLO's: a picture has the same stem."""
    try:
        return context.index.find(stem_of(file), near=file.rpartition("/")[0]) is not None
    except AmbiguousImageError:
        return True


def _of_few_kinds(texts: list[str]) -> list[str]:
    """Texts without those of folders with many texts (one per picture, with the pictures elsewhere), which are no tables."""
    per_folder: dict[str, int] = {}
    for file in texts:
        folder = file.rpartition("/")[0]
        per_folder[folder] = per_folder.get(folder, 0) + 1
    return [file for file in texts if per_folder[file.rpartition("/")[0]] <= 12][:_MOST_TEXTS]
