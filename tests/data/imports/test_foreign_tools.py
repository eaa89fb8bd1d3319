"""Sets as other tools write them that are not read: each is named, with what to export, and nothing of it becomes a target in silence."""

import json
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import answer, examine, propose
from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.tree import Tree
from mtl_core.errors import DataError


def photo(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (18, 24, 3), dtype=np.uint8)).save(path)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def unread(proposal):
    return {note.files: note.reason for note in proposal.files if not note.read}


LISTED = [
    (
        "FiftyOne",
        {
            "samples.json": {"samples": [{"filepath": "data/0.jpg", "ground_truth": {"_cls": "Detections", "detections": []}}]},
            "metadata.json": {"name": "x", "media_type": "image", "sample_fields": []},
            "frames.json": {"frames": []},
        },
    ),
    (
        "SuperAnnotate",
        {
            "a.jpg___objects.json": {"metadata": {"name": "0.jpg"}, "instances": [{"type": "bbox", "className": "cat"}], "comments": []},
            "classes.json": [{"id": 1, "name": "cat", "color": "#ff0000", "attribute_groups": []}],
        },
    ),
    ("Hugging Face", {"state.json": {"_data_files": [], "_split": None}, "dataset_info.json": {"builder_name": "imagefolder", "features": {}}}),
    ("TensorFlow Datasets", {"dataset_info.json": {"name": "mnist", "fileFormat": "tfrecord"}}),
    ("nnU-Net", {"dataset.json": {"channel_names": {"0": "MRI"}, "labels": {"x": 1}}}),
    ("VisDrone", {"0.txt": "5,5,10,10,1,4,0,0\n20,20,8,9,1,1,0,1\n", "1.txt": "0,0,9,9,0,0,0,0,\n"}),
    ("WebDataset labels", {"0.cls": "3"}),
]


@pytest.mark.parametrize(("tool", "files"), LISTED, ids=[tool for tool, _ in LISTED])
def test_a_known_tool_is_named_with_what_to_export(tmp_path, tool, files):
    for number in range(6):
        photo(tmp_path / "data" / f"{number}.jpg", number)
    for name, content in files.items():
        write(tmp_path / "labels" / name, content)
    proposal = propose(tmp_path)
    assert proposal.tasks == ()
    reasons = unread(proposal)
    assert {name.rpartition("/")[2] for name in reasons} == set(files)
    assert all(f"seen, not read: {tool}" in reason and len(reason.partition(";")[2]) > 20 for reason in reasons.values())


PACKED = {"a.7z": b"7z\xbc\xaf\x27\x1c", "a.rar": b"Rar!\x1a\x07", "a.tar.zst": b"\x28\xb5\x2f\xfd", "a.tgz": b"\x1f\x8b", "a.iso": b"", "a.txz": b""}


@pytest.mark.parametrize(("name", "begin"), PACKED.items())
def test_an_archive_that_is_no_zip_is_named_with_what_to_do(tmp_path, name, begin):
    (tmp_path / name).write_bytes(begin + bytes(600))
    with pytest.raises(DataError, match=r"only zips are read\. Unpack it and give the folder"):
        propose(tmp_path / name)
    photo(tmp_path / "photo.png")
    assert unread(propose(tmp_path)) == {name: "seen, not read: an archive inside; unpack it beside the others"}
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        packed.write(tmp_path / name, name)
    findings = Findings()
    with pytest.raises(DataError, match="no files"):
        Tree(tmp_path / "set.zip", findings)
    assert [(finding.file, finding.kind) for finding in findings.rows] == [(name, "nested_archive")]


def test_a_tar_without_its_ending_is_a_tar(tmp_path):
    photo(tmp_path / "photo.png")
    with tarfile.open(tmp_path / "set", "w") as packed:
        packed.add(tmp_path / "photo.png", "photo.png")
    with pytest.raises(DataError, match="'set' is a tar file"):
        propose(tmp_path / "set")


@pytest.mark.parametrize(("name", "advice"), [("a.nii.gz", "export slices"), ("a.dcm", "export slices"), ("a.mp4", "save their frames")])
def test_a_set_without_pictures_says_how_to_make_some(tmp_path, name, advice):
    (tmp_path / name).write_bytes(bytes(300))
    with pytest.raises(DataError, match=advice) as refused:
        propose(tmp_path)
    assert "Unpack" not in str(refused.value)


def test_folders_with_a_file_of_their_own_are_recordings_until_someone_says_classes(tmp_path):
    for sequence in ("MOT-02", "MOT-04"):
        for number in range(1, 9):
            photo(tmp_path / "train" / sequence / "img1" / f"{number:06}.jpg", number)
        write(tmp_path / "train" / sequence / "gt" / "gt.txt", "".join(f"{n},1,5,6,12,14,1,1,0.9\n" for n in range(1, 9)))
    proposal = propose(tmp_path)
    assert proposal.tasks == ()
    [question] = proposal.questions
    assert (question.name, question.taken) == ("recordings", "recordings")
    assert "has its own 'gt/gt.txt'" in question.evidence
    [found] = examine(tmp_path, answer(proposal.spec, question, "classes")).report.tasks
    assert found.task.classes == ("MOT-02", "MOT-04")


@pytest.mark.parametrize("beside", ["0.json", "readme.txt", "labels.txt", "metadata.csv"])
def test_class_folders_with_files_beside_their_pictures_are_classes(tmp_path, beside):
    for place, folder in enumerate(("cat", "dog")):
        for number in range(8):
            photo(tmp_path / folder / f"{number}.png", number + 10 * place)
        write(tmp_path / folder / beside, "{}")
    [task] = propose(tmp_path).tasks
    assert task.classes == ("cat", "dog")


def test_colours_of_coco_panoptic_number_segments_and_are_no_classes(tmp_path):
    for number in range(12):
        photo(tmp_path / "val" / f"{number:04}.jpg", number)
        colours = np.zeros((18, 24, 3), np.uint8)
        colours[:9], colours[9:] = (1, 0, 0), (2, 0, 0)
        (tmp_path / "annotations" / "panoptic_val").mkdir(parents=True, exist_ok=True)
        Image.fromarray(colours).save(tmp_path / "annotations" / "panoptic_val" / f"{number:04}.png")
    segments = [{"id": 1, "category_id": 1}]
    listed = [{"image_id": number, "file_name": f"{number:04}.png", "segments_info": segments} for number in range(12)]
    images = [{"id": number, "file_name": f"{number:04}.jpg"} for number in range(12)]
    write(tmp_path / "annotations" / "panoptic_val.json", {"images": images, "annotations": listed, "categories": [{"id": 1, "name": "sky"}]})
    proposal = propose(tmp_path)
    assert (proposal.tasks, proposal.images) == ((), 12)
    assert "COCO panoptic" in unread(proposal)["annotations/panoptic_val/*.png"]


@pytest.mark.parametrize("cells", ["n014 {0} 3 20 30", "n014 {0} 3 20 30 n015 1 2 8 9", "opacity 0.9 {0} 3 20 30"])
def test_boxes_in_one_text_are_no_classes(tmp_path, cells):
    for number in range(12):
        photo(tmp_path / "train" / f"{number}.jpg", number)
    write(tmp_path / "boxes.csv", "ImageId,PredictionString\n" + "".join(f"{n},{cells.format(n % 2)}\n" for n in range(12)))
    proposal = propose(tmp_path)
    assert proposal.tasks == ()
    assert "boxes written as one text" in unread(proposal)["boxes.csv"]


@pytest.mark.parametrize("cells", [("707 320", "A 380"), ("size 4 5 6", "size 1 2 3"), ("cat", "dog 1")])
def test_class_names_with_numbers_are_classes(tmp_path, cells):
    for number in range(12):
        photo(tmp_path / "train" / f"{number}.jpg", number)
    write(tmp_path / "kinds.csv", "file,kind\n" + "".join(f"{n}.jpg,{cells[n % 2]}\n" for n in range(12)))
    assert [task.name for task in propose(tmp_path).tasks] == ["kind"]


BOXES, MASKS = "boxes written as one text", "run lengths of masks"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("3 4 20 30;30 4 50 40", "no_box", "5 6 9 9"), BOXES),  # Global Wheat 2021
        (("1,2,8,9|3,4,20,30", "1,2,8,10", ""), BOXES),
        (("351 30 415 30 479 30 543 30", "1 4 65 4 129 4", ""), MASKS),  # Kaggle's run lengths
        (("9 1 73 2 200 3 300 4", "9 1 73 2 200 3 301 5", "9 1 73 2 200 3 302 5"), MASKS),
    ],
)
def test_places_in_the_picture_are_no_classes(tmp_path, cells, said):
    for number in range(12):
        photo(tmp_path / "train" / f"{number}.jpg", number)
    write(tmp_path / "places.csv", "file;what\n" + "".join(f"{n}.jpg;{cells[n % 3]}\n" for n in range(12)))
    proposal = propose(tmp_path)
    assert proposal.tasks == ()
    assert said in unread(proposal)["places.csv"]


@pytest.mark.parametrize("cells", [("1 7 3", "2 7", "1", "3 2 7 1"), ("0 1 0 1", "1 1 0 1", "0 0 0 1", "1 0 1 1")])
def test_numbers_of_classes_in_one_cell_are_classes(tmp_path, cells):
    for number in range(12):
        photo(tmp_path / "train" / f"{number}.jpg", number)
    write(tmp_path / "labels.csv", "file,what\n" + "".join(f"{n}.jpg,{cells[n % 4]}\n" for n in range(12)))
    assert [task.name for task in propose(tmp_path).tasks] == ["what"]


@pytest.mark.parametrize("first", [0, 1, 3])
@pytest.mark.parametrize("names", ["p{}.jpg", "{}.jpg", "img_000{}.jpg"])
def test_numbers_name_no_pictures_where_another_column_names_files(tmp_path, names, first):
    """Numbers of rows, of labels and of persons: they would give each label to another picture."""
    for number in range(9):
        photo(tmp_path / names.format(number), number)
    rows = "".join(f"{first + n},uploads/ab12-{names.format(n)},{'cat' if n % 2 else 'dog'}\n" for n in range(9))
    write(tmp_path / "labels.csv", "id,image,kind\n" + rows)
    proposal = propose(tmp_path)
    assert proposal.tasks == ()
    assert "'image' names picture files that are not in it" in unread(proposal)["labels.csv"]


def test_label_studios_table_says_what_to_export(tmp_path):
    for number in range(9):
        photo(tmp_path / f"p{number}.jpg", number)
    rows = "".join(f"{n + 1},1,{'cat' if n % 2 else 'dog'},{n},/data/upload/1/ab12-p{n}.jpg,{n}.5\n" for n in range(9))
    write(tmp_path / "labels.csv", "annotation_id,annotator,choice,id,image,lead_time\n" + rows)
    proposal = propose(tmp_path)
    assert proposal.tasks == ()
    assert "export JSON from Label Studio" in unread(proposal)["labels.csv"]


@pytest.mark.parametrize("corners", ["{0},{1},,,{2},{3},,", "{0},{1},{2},{1},{2},{3},{0},{3}"])
def test_boxes_of_googles_table_without_header(tmp_path, corners):
    for number in range(12):
        photo(tmp_path / f"p{number}.jpg", number)
    part = ["TRAIN", "TRAIN", "VALIDATION", "TEST"]
    boxes = [(0.25 + n / 100, 0.5, 0.75, 0.75 + n / 100) for n in range(12)]
    rows = [f"{part[n % 4]},gs://bucket/p{n}.jpg,{'cat' if n % 2 else 'dog'},{corners.format(*box)}" for n, box in enumerate(boxes)]
    write(tmp_path / "import.csv", "\n".join(rows))
    proposal = propose(tmp_path)
    assert [(task.name, task.kind, task.classes) for task in proposal.tasks] == [("box", "detection", ("cat", "dog"))]
    examined = examine(tmp_path, proposal.spec)
    [target] = examined.targets
    width, height = 24, 18
    expected = {f"p{n}.jpg": [x1 * width, y1 * height, x2 * width, y2 * height, n % 2 == 0] for n, (x1, y1, x2, y2) in enumerate(boxes)}
    assert {key: pytest.approx(np.asarray(rows)[0].tolist()) for key, rows in target.values.items()} == expected


def test_several_numbers_without_a_header_are_no_tasks(tmp_path):
    for number in range(9):
        photo(tmp_path / f"p{number}.jpg", number)
    write(tmp_path / "numbers.csv", "".join(f"p{n}.jpg,{n}.25,{9 - n}.5\n" for n in range(9)))
    proposal = propose(tmp_path)
    assert proposal.tasks == ()
    assert "their meaning is unknown" in unread(proposal)["numbers.csv"]


def test_classes_of_whole_pictures_in_a_coco_file_are_a_classification(tmp_path):
    """As iNaturalist's files: annotations with an image and a category alone."""
    for number in range(9):
        photo(tmp_path / "val" / f"{number}.jpg", number)
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 24, "height": 18} for n in range(9)]
    kinds = [{"id": n, "name": name} for n, name in enumerate(("hawk", "owl", "wren"))]
    write(
        tmp_path / "val.json",
        {"images": images, "annotations": [{"id": n, "image_id": n, "category_id": n % 3} for n in range(9)], "categories": kinds},
    )
    proposal = propose(tmp_path)
    assert [(task.name, task.kind, task.classes, task.labelled) for task in proposal.tasks] == [
        ("class", "classification", ("hawk", "owl", "wren"), 9)
    ]
    [target] = examine(tmp_path, proposal.spec).targets
    assert target.values == {f"val/{n}.jpg": n % 3 for n in range(9)}


def test_lvis_names_its_pictures_by_their_address(tmp_path):
    for number in range(9):
        photo(tmp_path / "train2017" / f"{number:012}.jpg", number)
    images = [{"id": n, "coco_url": f"http://images.cocodataset.org/train2017/{n:012}.jpg", "width": 24, "height": 18} for n in range(9)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [2, 3, 8, 9], "area": 72} for n in range(9)]
    write(tmp_path / "lvis.json", {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cup"}]})
    assert [(task.name, task.labelled) for task in propose(tmp_path).tasks if task.kind == "detection"] == [("boxes", 9)]
