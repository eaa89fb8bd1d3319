"""Pascal VOC (Everingham et al. 2010): boxes, masks and present classes, in torchvision's folder layout.

The test annotations of 2012 are not published: test is its val part here, and val is cut from its train part. Masks exist for some pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mtl_core.data.dataset import Task
from mtl_core.data.sources.published_pictures import PictureOptions, PictureSet, lines, scaled_boxes, voc_boxes
from mtl_core.data.sources.published_set import Resource, index_mask
from mtl_core.errors import DataError

_CLASSES = "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant sheep sofa train tvmonitor"
CLASSES = tuple(_CLASSES.split())


class VOCOptions(PictureOptions):
    """Options of ``voc``."""

    image_size: int = Field(128, ge=32, le=512, description="Height and width that pictures are stretched to; boxes and masks follow.")
    year: Literal["2012", "2007"] = Field("2012", description="Which year's set: 2012 has 5,717 + 5,823 pictures, 2007 2,501 + 2,510.")
    difficult: bool = Field(False, description="Keep boxes that the annotators marked as difficult.")


class VOC(PictureSet):
    """Three tasks on the same pictures; 20 classes."""

    title = "Pascal VOC"
    summary = "Photographs with boxes, the present ones of 20 classes and, for part of them, a mask."
    homepage = "http://host.robots.ox.ac.uk/pascal/VOC"
    megabytes = 2000
    Options = VOCOptions
    options: VOCOptions
    published: ClassVar[dict[str, int]] = {"train": 5717, "test": 5823}

    def tasks(self) -> tuple[Task, ...]:
        return (
            Task("boxes", "detection", "boxes", classes=CLASSES, title="Boxes around objects"),
            Task("segments", "segmentation", "segments", classes=("background", *CLASSES), title="Class of each pixel"),
            Task("present", "multi_label", "present", classes=CLASSES, title="Which classes are there"),
        )

    def files(self) -> list[Path]:
        lists = [self._base / "ImageSets" / "Main" / f"{part}.txt" for part in ("train", "val")]
        return [self._base / "JPEGImages", self._base / "Annotations", *lists]

    def resources(self) -> list[Resource]:
        from torchvision import datasets  # takes seconds to import

        published = datasets.voc.DATASET_YEAR_DICT[self.options.year]
        return [Resource(published["url"], published["md5"], self.root, unpack=True)]

    def entries(self, part: str) -> list[str]:
        path = self._base / "ImageSets" / "Main" / ("val.txt" if part == "test" else "train.txt")
        names = [line.split()[0] for line in lines(path)]
        odd = next((name for name in names if "/" in name or "\\" in name), None)
        if odd is not None:
            raise DataError(f"'{path}': expected plain names of pictures, found '{odd[:80]}'")
        return names

    def picture_path(self, entry: str) -> Path:
        return self._base / "JPEGImages" / f"{entry}.jpg"

    def targets_of(self, entry: str, scale: tuple[float, float]) -> dict[str, Any]:
        annotation = self._base / "Annotations" / f"{entry}.xml"
        boxes = voc_boxes(annotation, self.options.difficult)
        unknown = sorted({box[4] for box in boxes} - set(CLASSES))
        if unknown:
            raise DataError(f"'{annotation}': expected VOC's 20 classes, found '{unknown[0]}'. For other classes import the folder as your own.")
        names = {box[4] for box in boxes}
        mask = self._base / "SegmentationClass" / f"{entry}.png"
        return {
            "boxes": scaled_boxes(boxes, CLASSES, scale, self.options.image_size),
            "segments": index_mask(mask, self.options.image_size) if mask.is_file() else None,
            "present": np.array([name in names for name in CLASSES], np.uint8),
        }

    @property
    def _base(self) -> Path:
        return self.root / "VOCdevkit" / f"VOC{self.options.year}"
