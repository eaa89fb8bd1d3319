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
