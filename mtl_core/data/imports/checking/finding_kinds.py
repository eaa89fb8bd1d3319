"""The kinds of findings in words, and the groups that they belong to."""

from __future__ import annotations

from typing import Literal

from mtl_core.language import mark

Group = Literal["image", "file", "target", "repaired", "note"]
# Kinds of skipped findings about a file of which nothing is read, whatever it holds (``tree.py``).
FILES = frozenset({"link", "name", "deep", "unreadable", "not_a_file", "too_large", "nested_archive"})
KINDS = {
    "picture": mark("not readable"),
    "link": mark("link"),
    "name": mark("file name"),
    "deep": mark("too many folders deep"),
    "unreadable": mark("file not readable"),
    "not_a_file": mark("not a file"),
    "too_large": mark("file too large"),
    "nested_archive": mark("archive in the zip"),
    "zip_absolute": mark("absolute path in the zip"),
    "zip_traversal": mark("path out of the zip"),
    "zip_name": mark("name in the zip"),
    "zip_encrypted": mark("encrypted in the zip"),
    "zip_double": mark("twice in the zip"),
    "zip_bomb": mark("unpacks to too much"),
    "wrong_extension": mark("wrong file ending"),
    "animated": mark("several frames"),
    "channels": mark("more than three channels"),
    "16_bit": mark("16 bits"),
    "alpha": mark("transparent parts"),
    "cmyk": mark("CMYK colours"),
    "ycbcr": mark("YCbCr colours"),
    "lab": mark("LAB colours"),
    "hsv": mark("HSV colours"),
    "palette": mark("palette of colours"),
    "turned": mark("turned upright"),
    "one_level": mark("one level of grey"),
    "levels": mark("brought to 8 bits"),
    "beyond_levels": mark("beyond the levels"),
    "8_bit_depth": mark("depth of 8 bits"),
    "no_measurement": mark("no measurement"),
    "depth": mark("depth map"),
    "mask": mark("mask"),
    "overlap": mark("overlapping classes"),
    "unlisted_value": mark("value without a class"),
    "class_numbers": mark("numbers of classes"),
    "map_of_turned": mark("map of a turned picture"),
    "size_differs": mark("size differs"),
    "scaled": mark("scaled"),
    "ambiguous_image": mark("several images fit"),
    "missing_image": mark("missing image"),
    "bad_file": mark("unexpected content"),
    "bad_image_entry": mark("unusable image entry"),
    "bad_object": mark("unusable object"),
    "bad_line": mark("unusable line"),
    "bad_box": mark("unusable box"),
    "bad_points": mark("unusable points"),
    "box_cut": mark("box cut"),
    "box_empty": mark("empty box"),
    "box_not_a_number": mark("box without numbers"),
    "box_outside": mark("box outside"),
    "box_without_class": mark("box without a class"),
    "box_without_outline": mark("box without an outline"),
    "boxes_as_corners": mark("boxes given as corners"),
    "boxes_of_turned": mark("boxes of a turned picture"),
    "boxes_refused": mark("boxes not used"),
    "no_box": mark("points without a box"),
    "turned_boxes": mark("turned boxes"),
    "too_many_boxes": mark("too many boxes"),
    "crowd": mark("crowd"),
    "ignored_areas": mark("ignored areas"),
    "outline": mark("outline"),
    "other_shape": mark("point or line"),
    "no_objects": mark("no objects"),
    "no_points": mark("no labelled point"),
    "point_outside": mark("point outside"),
    "points_outside": mark("all points outside"),
    "point_not_a_number": mark("point without numbers"),
    "points_of_turned": mark("points of a turned picture"),
    "several_objects": mark("several objects"),
    "several_annotations": mark("several annotations"),
    "no_class": mark("no class"),
    "unknown_class": mark("unknown class"),
    "no_class_in_name": mark("no class in the name"),
    "not_one_class": mark("not exactly one class"),
    "not_in_train": mark("class not in train"),
    "two_classes": mark("two classes"),
    "same_name": mark("same name"),
    "spelling": mark("similar names"),
    "supercategory": mark("supercategory"),
    "category_gaps": mark("category gaps"),
    "other_ids": mark("other form of ids"),
    "duplicate": mark("duplicate"),
    "duplicate_id": mark("duplicate id"),
    "missing_word": mark("word for no label"),
    "no_list": mark("not a list"),
    "not_a_number": mark("not a number"),
    "not_yes_or_no": mark("neither yes nor no"),
    "idx_row": mark("idx row"),
    "ragged_row": mark("row of another length"),
    "repeated_header": mark("repeated header"),
    "unclosed_quote": mark("unclosed quote"),
    "other_xml": mark("other XML"),
    "xml_entities": mark("entities in the XML"),
    "damaged_xml": mark("damaged XML"),
    "gap": mark("beside a border"),
    "in_no_split": mark("in no split"),
    "two_splits": mark("in two splits"),
    "leak": mark("in two parts of the data"),
}


def kind_title(kind: str) -> str:
    """A kind in words. An installed format may have kinds of its own."""
    return KINDS.get(kind) or kind.replace("_", " ")


def group_of(outcome: str, kind: str) -> Group:
    """What a finding is about: an image that is not used, another file, a target or a row of a table; or something that is used."""
    if outcome == "skipped":
        return "image" if kind == "picture" else "file" if kind in FILES or kind.startswith("zip_") else "target"
    return "repaired" if outcome == "repaired" else "note"
