"""Broken, odd and hostile files of every annotation format: refused and said, never a traceback, never a silent guess."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from mtl_core.data.imports import ImportSpec, check, examine, propose
from mtl_core.data.imports.formats import FORMATS
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.data.imports.looking.json_stream import JsonError, JsonReader
from mtl_core.errors import MTLError
from tests.data.imports.annotation_writers import WITH_POLYGONS, WRITERS, Thing, write_picture, write_set, write_text

SQUARE = Thing("cat", (20.0, 16.0, 60.0, 50.0))
NAN, INF = float("nan"), float("inf")
BOXES = {
    "nan": (NAN, 1.0, 9.0, 9.0),
    "infinite": (1.0, 1.0, INF, 9.0),
    "negative": (50.0, 40.0, 20.0, 16.0),
    "huge": (1e300, 1e300, 2e300, 2e300),
    "outside": (500.0, 500.0, 600.0, 600.0),
}
POLYGONS = {
    "nan": ((1.0, 1.0), (NAN, 9.0), (9.0, 9.0)),
    "two": ((1.0, 1.0), (9.0, 9.0)),
    "huge": ((1.0, 1.0), (1e300, 1.0), (1.0, 1e300)),
}


GOOD = {f"{number}.png": [SQUARE] for number in range(8)}


def set_with(kind: str, root, *odd: Thing):
    """Eight good pictures; then, for each odd thing, a picture with it alone and one with a good thing beside it."""
    pictures = [picture for thing in odd for picture in ([thing], [SQUARE, thing])]
    return write_set(kind, root, {**GOOD, **{f"{number}.png": things for number, things in enumerate(pictures, start=8)}})


@pytest.fixture(scope="module")
def description(tmp_path_factory):
    """``description(kind)``: what the look makes of such a set without anything odd."""
    found = {}

    def of(kind: str) -> ImportSpec:
        if kind not in found:
            values = propose(set_with(kind, tmp_path_factory.mktemp("good"), SQUARE)).spec.to_dict()
            if kind == "voc":
                values["sources"][0]["origin"] = 0
            found[kind] = ImportSpec.from_dict(values)
        return found[kind]

    return of


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "wider"])
def test_a_box_that_cannot_be_used_leaves_its_picture_unlabelled(tmp_path, kind, description):
    """Each sort of them in two pictures of its own."""
    odd = [name for name in BOXES if name != "negative" or kind not in ("labelme", "dota")]  # corners in any order are right there
    root = set_with(kind, tmp_path, *(Thing("cat", BOXES[name]) for name in odd))
    examined = examine(root, description(kind))
    boxes = next(target for target in examined.targets if target.name == "boxes")
    assert {key.removeprefix("images/") for key in boxes.values} == set(GOOD)
    said = {part for row in examined.report.findings if row.outcome == "skipped" for part in (row.file, *row.file.split("/"))}
    alone = [f"{8 + 2 * number}.png" for number in range(len(odd))]
    assert said & set(alone) or examined.report.counts
    for made in examined.targets:
        assert made.kind not in ("multi_label", "regression") or not {f"images/{name}" for name in alone} & set(made.values)
    PreparedSource(examined).build("train", lambda share, what: None)


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind not in ("wider", "coco")])
def test_the_other_objects_stay_where_the_description_says_so(tmp_path, kind, description):
    values = description(kind).to_dict()
    values["sources"][0]["refused"] = "object"
    report = check(set_with(kind, tmp_path, Thing("cat", BOXES["outside"])), ImportSpec.from_dict(values))
    assert sum(report.tasks[0].labelled.values()) == 9  # the one with nothing but that box is still not one without objects


@pytest.mark.parametrize("name", POLYGONS)
@pytest.mark.parametrize("kind", WITH_POLYGONS)
def test_odd_outlines(tmp_path, kind, name):
    if (kind, name) == ("yolo", "two"):
        pytest.skip("class and four numbers are a box")
    root = set_with(kind, tmp_path, Thing("cat", (1.0, 1.0, 9.0, 9.0), POLYGONS[name]))
    proposal = propose(root)
    values = proposal.spec.to_dict()
    values["sources"][0]["segments"] = "instances"
    examined = examine(root, ImportSpec.from_dict(values))
    assert any(row.outcome == "skipped" for row in examined.report.findings) or any(not note.read for note in proposal.files)
    PreparedSource(examined).build("train", lambda share, what: None)


JSON_KINDS = ("coco", "via", "label_studio", "createml", "labelme")
BAD_VALUES = (None, 3, "text", [], {}, [[]], [None], {"a": None}, True, 1e400)


def every_spoiled(value, path=()):
    """Copies of a JSON value with one of its parts replaced by something of another type."""
    for bad in BAD_VALUES:
        yield path, bad
    if isinstance(value, dict):
        for key in list(value)[:9]:
            yield from every_spoiled(value[key], (*path, key))
    elif isinstance(value, list) and value:
        yield from every_spoiled(value[0], (*path, 0))


def replaced(value, path, bad):
    if not path:
        return bad
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], bad)
    return copy


@pytest.mark.parametrize("kind", JSON_KINDS)
def test_values_of_other_types_anywhere(tmp_path, kind):
    """Every part of the JSON in turn: the source reads the rest or refuses, and no other error comes out."""
    things = [SQUARE, Thing("cat", (1.0, 1.0, 9.0, 9.0), ((1.0, 1.0), (9.0, 1.0), (9.0, 9.0)))]
    root = write_set(kind, tmp_path, {"0.png": things, "1.png": things})
    spec = propose(root).spec
    [file] = sorted(root.rglob("*.json"))[:1]
    whole = json.loads(file.read_text())
    [source] = spec.sources
    from mtl_core.data.imports.checking.check_report import Findings
    from mtl_core.data.imports.formats import Context, ImageIndex, read_source
    from mtl_core.data.imports.tree import Tree

    format_class, refused = FORMATS.load(kind), 0
    for path, bad in every_spoiled(whole):
        file.write_text(json.dumps(replaced(whole, path, bad)))
        with Tree(root, Findings()) as tree:
            context = Context(tree, ImageIndex(["images/0.png", "images/1.png"]), Findings())
            try:
                format_class.guess(context, spec.images)
                read_source(format_class(format_class.Options(**source.options)), context)
            except MTLError:
                refused += 1
    assert refused or kind == "labelme"  # there each picture has a file of its own


BROKEN = {
    "cut off": b'{"images": [{"id": 1, "file_na',
    "a comma too many": b'{"images": [], "annotations": [], "categories": [],}',
    "NUL": b'{"images": [\0]}',
    "list": b"[1, 2, 3]",
    "text": b"hello",
    "empty": b"",
    "deep": b"[" * 200_000,
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "bytes": b"\xff\xfa\x00",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_json_that_is_not_understood_is_named_with_the_reason(tmp_path, name):
    for number in range(4):
        write_picture(tmp_path / f"{number}.png", seed=number)
    (tmp_path / "labels.json").write_bytes(BROKEN[name])
    [note] = propose(tmp_path).files
    assert (note.files, note.read) == ("labels.json", False)
    assert note.reason.startswith("seen, not understood, because")
    expected = {"cut off": "ends in the middle", "NUL": "a NUL character", "empty": "the file is empty", "deep": "a thousand deep"}
    assert expected.get(name, "") in note.reason


def test_the_twenty_first_json_is_read_too(tmp_path):
    for number in range(25):
        write_text(tmp_path / f"a{number:02}.json", "{}")
    write_set("coco", tmp_path / "z", {f"{number}.png": [SQUARE] for number in range(4)})
    proposal = propose(tmp_path)
    assert [source.format for source in proposal.spec.sources] == ["coco"]
    assert [(note.count, note.read) for note in proposal.files] == [(1, True), (25, False)]


XMLS = {
    "bomb": '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><annotations><image name="&b;"/></annotations>',
    "outside": '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotations>&a;</annotations>',
    "cut": '<annotations><image id="0" name="0.png"',
    "mask": '<annotations><image id="0" name="0.png" width="96" height="72"><mask label="a" rle="9999999999999, 4" left="0" '
    'top="0" width="9" height="9"/></image></annotations>',
    "numbers": '<annotations><image id="x" name="0.png" width="nan" height="-3"><box label="a" xtl="a" ytl="" xbr="1e999" '
    'ybr="3"/></image></annotations>',
    "frames": '<annotations><meta><start_frame>0</start_frame><stop_frame>99999999999</stop_frame></meta><track label="a">'
    '<box frame="99999999999" xtl="1" ytl="1" xbr="3" ybr="3"/></track></annotations>',
}


@pytest.mark.parametrize("name", XMLS)
def test_odd_xml_of_cvat(tmp_path, name):
    for number in range(4):
        write_picture(tmp_path / f"{number}.png", seed=number)
    write_text(tmp_path / "annotations.xml", XMLS[name])
    proposal = propose(tmp_path)
    assert len(proposal.files) == 1
    assert not proposal.files[0].read or not any(task.kind == "detection" for task in proposal.tasks) or check(tmp_path, proposal.spec).counts
    assert "root:" not in proposal.files[0].reason


ODD_NAMES = ["a/b", "../x", "<script>", "'; drop", "a\nb", "x" * 5000, "None", "type", "=1+1", "\u202e"]


@pytest.mark.parametrize("kind", ["coco", "via", "createml"])
def test_names_of_classes_may_be_anything(tmp_path, kind, monkeypatch):
    """Each is one of the classes of a set, two pictures with a thing of each."""
    monkeypatch.setattr("tests.data.imports.annotation_writers.CLASSES", tuple(ODD_NAMES))
    pictures = {f"{number}.png": [replace(SQUARE, name=ODD_NAMES[number // 2])] for number in range(2 * len(ODD_NAMES))}
    root = write_set(kind, tmp_path, pictures)
    report = check(root, propose(root).spec)
    assert sorted(report.tasks[0].class_counts.values()) == [2] * len(ODD_NAMES)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "http://x/y.png", "\0", "a" * 9000, "C:", "", ".", "..", "//"])
def test_names_of_pictures_never_lead_out(tmp_path, name):
    root = write_set("createml", tmp_path, {f"{number}.png": [SQUARE] for number in range(4)})
    file = root / "createml.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps([*data, {"image": name, "annotations": data[0]["annotations"]}]))
    report = check(root, propose(root).spec)
    assert (report.counts, sum(report.tasks[0].labelled.values())) == ({"skipped/missing_image": 1}, 4)


def test_a_name_that_a_zip_holds_twice_is_read_as_the_first(tmp_path):
    import warnings
    import zipfile

    root = write_set("createml", tmp_path / "set", {f"{number}.png": [SQUARE] for number in range(4)})
    content = (root / "createml.json").read_text()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted((root / "images").iterdir()):
            file.write(path, f"images/{path.name}")
        file.writestr("createml.json", content)
        file.writestr("createml.json", content.replace("cat", "wolf"))
    report = check(tmp_path / "set.zip", propose(tmp_path / "set.zip").spec)
    assert (report.tasks[0].class_counts, report.counts) == ({"cat": 4}, {"skipped/zip_double": 1})


def test_one_broken_source_does_not_block_the_others(tmp_path):
    root = write_set("coco", tmp_path, {f"{number}.png": [SQUARE] for number in range(6)})
    write_text(root / "cut.json", '{"images": [')
    write_text(root / "labels" / "0.txt", "hello there\n")
    write_text(root / "xml" / "0.xml", "<annotation><object>")
    report = check(root, propose(root).spec)
    assert report.tasks[0].class_counts["cat"] == 6


def read_whole(content: bytes):
    reader = JsonReader(io.BytesIO(content))
    found = {name: list(reader.entries()) if begin == "[" else reader.value() for name, begin in reader.members()}
    reader.finish()
    return found


def test_json_in_pieces_is_what_json_reads(monkeypatch):
    value = {"a": [1, -2.5e3, 'é\\"\u2028', None, True, {"b": [[], {}]}, 12345678901234567890], "c": {"d": "x" * 50}, "e": [], "f": 7}
    content = json.dumps(value, indent=1).encode()
    for piece in (1, 2, 3, 7, 64, 10_000):
        monkeypatch.setattr("mtl_core.data.imports.looking.json_stream._PIECE", piece)
        assert read_whole(content) == value
        with pytest.raises(JsonError, match="ends in the middle"):
            read_whole(content[:-3])
