"""Known formats that are not read, with the export to choose instead, and the reason for each JSON or XML that no format reads."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from mtl_core.data.imports.formats import Context
from mtl_core.data.imports.formats.annotations.xml_files import roots
from mtl_core.data.imports.looking.json_files import Head, heads
from mtl_core.data.imports.tree import Tree, UnreadableError

_READ = "COCO, LabelMe, Label Studio, VIA or CreateML, or a table: a list of objects that name pictures"

_HUGGING_FACE = "save the data set as parquet, or as a folder of images with metadata.csv"

JSON_FORMATS: tuple[tuple[str, str, Callable[[Head], bool]], ...] = (  # name, advice, test
    (
        "Supervisely",
        "export it as COCO or YOLO (Ecosystem: 'Export to COCO')",
        lambda h: "classTitle" in h.entry("objects") or ("objects" in h.keys and "size" in h.keys),
    ),
    ("Supervisely (meta.json)", "it names classes of a Supervisely project; export that as COCO or YOLO", lambda h: "title" in h.entry("classes")),
    ("Datumaro", "convert it: 'datum convert -f coco' or '-f yolo'", lambda h: "items" in h.keys and "categories" in h.keys),
    ("COCO results", "they are predictions without the list of pictures; give the file of annotations", lambda h: _has(h, "image_id", "score")),
    ("VIA 3", "export it from VIA as COCO, or annotate with VIA 2", lambda h: {"project", "config", "view"} <= set(h.keys)),
    ("BDD100K / Scalabel", "convert it with 'python -m bdd100k.label.to_coco'", lambda h: _has(h, "name", "labels")),
    ("BDD100K / Scalabel", "convert it with 'python -m bdd100k.label.to_coco'", lambda h: "frames" in h.keys and "labels" in h.entry("frames")),
    ("Labelbox", "export it as COCO, or convert its NDJSON with Labelbox's own converter", lambda h: _has(h, "Labeled Data") or _has(h, "data_row")),
    ("Scale AI", "export it as COCO", lambda h: _has(h, "task_id", "response")),
    ("Amazon SageMaker", "convert the manifest to COCO", lambda h: "source-ref" in h.keys or _has(h, "source-ref")),
    ("Cityscapes polygons", "the masks '_labelIds.png' beside it are read instead", lambda h: {"imgHeight", "imgWidth", "objects"} <= set(h.keys)),
    ("V7 Darwin", "export it as COCO", lambda h: "item" in h.keys and "annotations" in h.keys and ("version" in h.keys or "schema_ref" in h.keys)),
    ("Hasty / Prodigy", "export it as COCO", lambda h: _has(h, "spans", "image") or "export_format_version" in h.keys),
    ("TAO / DetectNet JSON", "export it as KITTI labels or COCO", lambda h: "openlabel" in h.keys),
    ("Azure / VoTT", "export it from VoTT as Pascal VOC or CSV", lambda h: "visitedAssets" in h.keys or ("asset" in h.keys and "regions" in h.keys)),
    ("nuScenes / KITTI-360 tables", "convert it to COCO", lambda h: _has(h, "token", "sample_data_token")),
    (
        "FiftyOne",
        "export it from FiftyOne as COCO, YOLO or class folders: dataset.export(..., dataset_type=fiftyone.types.COCODetectionDataset)",
        lambda h: "filepath" in h.entry("samples") or {"media_type", "sample_fields"} <= set(h.keys) or (h.top == "{" and set(h.keys) == {"frames"}),
    ),
    (
        "SuperAnnotate",
        "export it as COCO (sa.convert_project_type or the SDK's export_annotation)",
        lambda h: {"metadata", "instances"} <= set(h.keys),
    ),
    (
        "SuperAnnotate (classes.json)",
        "it names classes of a SuperAnnotate project; export that as COCO",
        lambda h: _has(h, "name", "attribute_groups"),
    ),
    (
        "Hugging Face (description of an Arrow data set)",
        _HUGGING_FACE,
        lambda h: "_data_files" in h.keys or {"builder_name", "features"} <= set(h.keys),
    ),
    (
        "TensorFlow Datasets",
        "write its pictures and labels out as files: for number, example in enumerate(tfds.as_numpy(tfds.load(...))) save example['image'] as PNG",
        lambda h: "fileFormat" in h.keys or str(h.keys.get("type", "")).startswith("tensorflow_datasets"),
    ),
    (
        "nnU-Net",
        "its volumes are not read; export slices as 16-bit PNG and their masks as PNG of class numbers",
        lambda h: "channel_names" in h.keys or {"modality", "training"} <= set(h.keys),
    ),
    (
        "Mapillary polygons",
        "the masks of the same set are read instead",
        lambda h: {"width", "height"} <= set(h.keys) and "polygon" in h.entry("objects"),
    ),
    ("GeoJSON", "coordinates on a map are not read; export polygons in pixels as COCO", lambda h: h.keys.get("type") == "FeatureCollection"),
)

XML_ROOTS = {
    "dataset": ("dlib or ImgLab XML", "export it as Pascal VOC or COCO"),
    "tagset": ("word or text annotations", "export boxes as Pascal VOC or COCO"),
    "PcGts": ("PAGE XML", "export it as COCO"),
    "alto": ("ALTO XML", "export it as COCO"),
    "kml": ("KML", "coordinates on a map are not read"),
}

FILES = {  # ending -> name, what to do
    ".tfrecord": ("TFRecord", "export the same set as COCO, Pascal VOC or CSV (Roboflow offers all of them)"),
    ".tfrecords": ("TFRecord", "export the same set as COCO, Pascal VOC or CSV"),
    ".record": ("TFRecord", "export the same set as COCO, Pascal VOC or CSV"),
    ".ndjson": ("Labelbox NDJSON", "export it as COCO, or convert it with Labelbox's own converter"),
    ".manifest": ("Amazon SageMaker manifest", "convert it to COCO"),
    ".lmdb": ("LMDB", "unpack its pictures and labels to files"),
    ".mdb": ("LMDB", "unpack its pictures and labels to files"),
    ".rec": ("MXNet RecordIO", "unpack its pictures and labels to files"),
    ".h5": ("HDF5", "unpack its pictures and labels to files"),
    ".hdf5": ("HDF5", "unpack its pictures and labels to files"),
    ".cls": ("WebDataset labels", "write them as a CSV of file name and class, one row a picture"),
    ".pts": ("landmarks (.pts)", "points are read from COCO JSON and YOLO text files: export one of these"),
    ".pkl": ("a pickle", "it may run code and is never opened; save the labels as CSV"),
    ".pickle": ("a pickle", "it may run code and is never opened; save the labels as CSV"),
    ".pth": ("a pickle", "it may run code and is never opened; save the labels as CSV"),
}


TEXTS = (  # a whole line, name, what to do
    (re.compile(r"-?\d+(,-?\d+){7},?"), "VisDrone", "convert it to YOLO (Ultralytics' VisDrone.yaml holds a converter) or COCO"),
    (re.compile(r"\d+,-?\d+(,-?[\d.]+){4,8},?"), "MOT tracks", "convert gt.txt to COCO or YOLO: it numbers the frames of each sequence anew"),
)
_FIRST_LINES = 2 << 10  # bytes of a text file that are looked at


def text_format(tree: Tree, file: str) -> tuple[str, str] | None:
    """(name, what to do) of the known format that the first lines of a text file are written in; None for another."""
    try:
        lines = tree.begin(file, _FIRST_LINES).decode("utf-8-sig", "replace").split("\n")[:4]
    except UnreadableError:
        return None
    whole = [line.strip() for line in (lines if len(lines) < 4 else lines[:3]) if line.strip()]
    return next(((name, advice) for line, name, advice in TEXTS if whole and all(line.fullmatch(each) for each in whole)), None)


def tell(context: Context) -> None:
    """Add a note for each JSON and XML without a note, and for files of formats that are not read."""
    told = {note.files for note in context.notes}
    notes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file, head in heads(context.tree).items():
        if not _is_told(file, told):
            notes[file.rpartition("/")[0], _json_reason(head)].append(file)
    for file, root in roots(context.tree).items():
        if not _is_told(file, told):
            notes[file.rpartition("/")[0], _xml_reason(root)].append(file)
    for file in context.tree.files:
        ending = f".{file.rpartition('/')[2].lower().partition('.')[2].rpartition('.')[2]}" if "." in file.rpartition("/")[2] else ""
        if ending in FILES or ".tfrecord" in file.lower().rpartition("/")[2]:
            name, advice = FILES.get(ending, FILES[".tfrecord"])
            notes[file.rpartition("/")[0], f"seen, not read: {name}; {advice}"].append(file)
    texts: dict[str, list[str]] = defaultdict(list)
    for file in context.tree.files:
        if file.lower().endswith(".txt") and not _is_told(file, told):
            texts[file.rpartition("/")[0]].append(file)
    for folder, files in texts.items():
        if known := text_format(context.tree, files[0]):
            notes[folder, f"seen, not read: {known[0]}; {known[1]}"] += files
    for (folder, reason), files in notes.items():
        pattern = f"{folder}/*.{files[0].rpartition('.')[2]}" if folder else f"*.{files[0].rpartition('.')[2]}"
        if len(files) < 4:
            for file in files:
                context.not_understood(file, reason)
        else:
            context.not_understood(pattern, reason, len(files))


def _is_told(file: str, told: set[str]) -> bool:
    """Whether a note names the file, or a pattern of its folder or one above."""
    folder, _, base = file.rpartition("/")
    pattern = f"*.{base.rpartition('.')[2]}"
    parts = folder.split("/") if folder else []
    above = ("/".join([*parts[:count], pattern]) for count in range(len(parts) + 1))
    return file in told or any(name in told for name in above)


def is_foreign(head: Head) -> bool:
    """Whether a JSON comes from a known tool whose format is not read. Such a JSON is no table either."""
    return any(fits(head) for _, _, fits in JSON_FORMATS)


def _json_reason(head: Head) -> str:
    if head.error:
        return f"seen, not understood, because it is no JSON that can be read: {head.error}"
    for name, advice, fits in JSON_FORMATS:
        if fits(head):
            return f"seen, not read: {name}; {advice}"
    if head.top == "[":
        keys = ", ".join(list(head.item)[:6])
        what = f"a list of entries with {keys}" if keys else "a list of plain values"
        return f"seen, not understood, because it is {what}; expected {_READ}"
    return f"seen, not understood, because its keys are {', '.join(list(head.keys)[:6]) or 'none'}; expected {_READ}"


def _xml_reason(root: str) -> str:
    if root in XML_ROOTS:
        name, advice = XML_ROOTS[root]
        return f"seen, not read: {name}; {advice}"
    if not root:
        return "seen, not understood, because it is not XML"
    return f"seen, not understood, because it begins with '{root[:40]}'; expected 'annotation' (Pascal VOC) or 'annotations' (CVAT)"


def _has(head: Head, *names: str) -> bool:
    """Whether the entries of the top-level list have these keys."""
    item: dict[str, Any] = head.item
    return bool(item) and all(name in item for name in names)
