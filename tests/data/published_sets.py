"""Writers of tiny published sets: each makes the files below a folder and gives the options to open them with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from tests.data.conftest import write_idx


def write_idx_set(folder: Path, stems: tuple[str, str] = ("train", "t10k"), first: int = 0) -> dict:
    folder.mkdir(parents=True)
    for stem, count, base in ((stems[0], 40, 0), (stems[1], 10, 100)):
        images = np.repeat(np.arange(base, base + count, dtype=np.uint8), 28 * 28).reshape(count, 28, 28)
        write_idx(folder / f"{stem}-images-idx3-ubyte", images, packed=False)
        write_idx(folder / f"{stem}-labels-idx1-ubyte", (np.arange(count) % 10 + first).astype(np.uint8), packed=False)
    return {"download": False}


def write_emnist(root: Path) -> dict:
    folder = root / "EMNIST" / "raw"
    write_idx_set(folder, ("emnist-letters-train", "emnist-letters-test"), first=1)
    lying = np.zeros((40, 28, 28), np.uint8)
    lying[:, 3, 20] = 255
    write_idx(folder / "emnist-letters-train-images-idx3-ubyte", lying, packed=False)
    return {"subset": "letters", "download": False}


def write_cifar10(root: Path) -> dict:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]):
        records = np.zeros((4, 3073), np.uint8)
        records[:, 0], records[:, 1:] = np.arange(4) + number, (np.arange(3072) // 1024)[None] + 10 * number
        (folder / name).write_bytes(records.tobytes())
    return {"download": False}


def write_cifar100(root: Path) -> dict:
    folder = root / "cifar-100-binary"
    folder.mkdir(parents=True)
    for name, count in (("train.bin", 20), ("test.bin", 5)):
        records = np.zeros((count, 3074), np.uint8)
        records[:, 0], records[:, 1] = np.arange(count) % 20, 99 - np.arange(count)
        (folder / name).write_bytes(records.tobytes())
    return {"download": False}


def write_svhn(root: Path) -> dict:
    root.mkdir(parents=True)
    for part, count in (("train", 20), ("test", 5)):
        pixels = np.zeros((32, 32, 3, count), np.uint8)
        pixels[0, 5, 2] = np.arange(count)
        savemat(root / f"{part}_32x32.mat", {"X": pixels, "y": (np.arange(count) % 10 + 1)[:, None].astype(np.uint8)})
    return {"download": False}


def voc_xml(*boxes: tuple) -> str:
    objects = "".join(
        f"<object><name>{name}</name><difficult>{hard}</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"
        "</object>"
        for name, x1, y1, x2, y2, hard in boxes
    )
    return f"<annotation>{objects}</annotation>"


def write_pets(root: Path) -> dict:
    base = root / "oxford-iiit-pet"
    for folder in ("images", "annotations/trimaps", "annotations/xmls"):
        (base / folder).mkdir(parents=True)
    pets = [("Abyssinian", 1, 1), ("american_bulldog", 6, 2)]
    for part, count in (("trainval", 12), ("test", 4)):
        listed = []
        for number in range(count):
            breed, index, species = pets[number % 2]
            name = f"{breed}_{part}{number}"
            listed.append(f"{name} {index} {species} 1")
            Image.new("RGB", (80, 40), (number, 0, 0)).save(base / "images" / f"{name}.jpg")
            mask = np.full((40, 80), 2, np.uint8)
            mask[:, :40], mask[:2] = 1, 3
            Image.fromarray(mask).save(base / "annotations" / "trimaps" / f"{name}.png")
            if part == "trainval" and number < 9:
                (base / "annotations" / "xmls" / f"{name}.xml").write_text(voc_xml(("cat", 21, 11, 40, 20, 0)))
        (base / "annotations" / f"{part}.txt").write_text("\n".join(listed) + "\n")
    return {"image_size": 32, "download": False}


def write_voc(root: Path) -> dict:
    base = root / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main"):
        (base / folder).mkdir(parents=True)
    for part, count in (("train", 10), ("val", 4)):
        names = [f"{part}_{number}" for number in range(count)]
        for number, name in enumerate(names):
            Image.new("RGB", (64, 64), (number, 0, 0)).save(base / "JPEGImages" / f"{name}.jpg")
            boxes = (("dog", 1, 1, 32, 64, 0), ("person", 33, 1, 64, 64, 1))
            (base / "Annotations" / f"{name}.xml").write_text(voc_xml(*boxes))
            if number % 2 == 0:
                mask = np.zeros((64, 64), np.uint8)
                mask[:, :32], mask[:2] = 12, 255
                Image.fromarray(mask).save(base / "SegmentationClass" / f"{name}.png")
        (base / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(names) + "\n")
    return {"image_size": 32, "download": False}


def write_celeba(root: Path) -> dict:
    base = root / "celeba"
    (base / "img_align_celeba").mkdir(parents=True)
    (base / "img_celeba").mkdir()
    names = [f"{number:06d}.jpg" for number in range(12)]
    for number, name in enumerate(names):
        for folder in ("img_align_celeba", "img_celeba"):
            Image.new("RGB", (178, 218), (number, 0, 0)).save(base / folder / name)

    def table(name: str, columns: int, row) -> None:
        lines = [str(len(names)), " ".join(f"c{column}" for column in range(columns))]
        (base / name).write_text("\n".join([*lines, *(f"{each}  {' '.join(map(str, row))}" for each in names)]) + "\n")

    table("list_attr_celeba.txt", 40, [1 if column % 2 else -1 for column in range(40)])
    for points in ("list_landmarks_align_celeba.txt", "list_landmarks_celeba.txt"):
        table(points, 10, range(0, 200, 20))
    table("list_bbox_celeba.txt", 4, (17, 21, 89, 109))
    parts = [f"{name} {0 if number < 7 else 1 if number < 9 else 2}" for number, name in enumerate(names)]
    (base / "list_eval_partition.txt").write_text("\n".join(parts))
    return {"image_size": 32}


def write_papers(root: Path, with_normals: bool, labels: str, classes: int) -> dict:
    random = np.random.default_rng(0)
    for part, count in (("train", 10), ("val", 3)):
        for folder in ("image", labels, "depth", *(["normal"] if with_normals else [])):
            (root / part / folder).mkdir(parents=True)
        for number in range(count):
            mask = random.integers(-1, classes, (16, 24)).astype(np.float32)
            depth = random.uniform(1, 3, (16, 24, 1)).astype(np.float32)
            depth[0, :8] = 0
            np.save(root / part / "image" / f"{number}.npy", np.full((16, 24, 3), number / 10))
            np.save(root / part / labels / f"{number}.npy", mask)
            np.save(root / part / "depth" / f"{number}.npy", depth)
            if with_normals:
                normals = np.zeros((16, 24, 3), np.float32)
                normals[:, 12:] = (0.0, 0.6, 0.8)
                np.save(root / part / "normal" / f"{number}.npy", normals)
    return {}


WRITERS = {
    "fashion_mnist": lambda root: write_idx_set(root / "FashionMNIST" / "raw"),
    "kmnist": lambda root: write_idx_set(root / "KMNIST" / "raw"),
    "emnist": write_emnist,
    "cifar10": write_cifar10,
    "cifar100": write_cifar100,
    "svhn": write_svhn,
    "oxford_pets": write_pets,
    "voc": write_voc,
    "celeba": write_celeba,
    "nyuv2": lambda root: write_papers(root, with_normals=True, labels="label", classes=13),
    "cityscapes": lambda root: write_papers(root, with_normals=False, labels="label_7", classes=7),
}
