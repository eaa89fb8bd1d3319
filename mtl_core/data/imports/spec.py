"""ImportSpec: the YAML description of how a folder or zip is read. ``propose`` guesses it, the user corrects it, the command line repeats it.

::

    format: 1
    path: /pictures/cells                 # a folder or a zip; a relative path starts at the YAML's folder
    images: {folders: [JPEGImages], size: [96, 96], colour: auto, resize: stretch}
    sources:
      - {format: voc, folder: Annotations, boxes: boxes, counts: counts}
      - {format: csv, file: types.csv, image_column: filename, columns: [{column: type, task: type, kind: classification}]}
    tasks: [boxes, type]                  # which to keep; null for all
    splits: {how: lists, train: [ImageSets/train.txt], val: [ImageSets/val.txt], test: [ImageSets/test.txt]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mtl_core.errors import ConfigError
from mtl_core.names import LONGEST_TASK_NAME, LONGEST_TASK_TITLE, title_problem
from mtl_core.plain_yaml import read_yaml, sort_of, why_unread, write_yaml
from mtl_core.registry import validated

SPEC_NAME = "dataset.yaml"  # file name of a description beside its data
SPEC_BYTES = 4 << 20  # largest YAML that is read


class Strict(BaseModel):
    """Parent of the description's models: unknown keys and non-finite numbers are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ImageSpec(Strict):
    """The image files, and their size, colour and levels after preparation."""

    folders: list[str] = Field(default_factory=lambda: [""], description="Folders below the path whose images count, '' for all.")
    files: list[str] = Field(default_factory=list, description="idx files (as MNIST's) that hold many images each.")
    exclude: list[str] = Field(default_factory=list, description="Folders that hold no images but masks, depth and the like; '*' is any one folder.")
    exclude_suffixes: list[str] = Field(default_factory=list, description="Ends of stems that mark masks beside the images, such as '_mask'.")
    exclude_files: list[str] = Field(
        default_factory=list, description="Patterns of files that are no images, such as 'photos/*_mask.png'; '*' stands for any part of a name."
    )
    size: tuple[int, int] = Field(default=(64, 64), description="Height and width in pixels that every image is brought to.")
    colour: Literal["auto", "grey", "colour"] = Field(default="auto", description="'auto': grey if every image is grey, otherwise colour.")
    levels: tuple[float, float] | None = Field(
        default=None,
        description="Values of 16-bit and float pictures that become black and white, one range for the set; null: 0 and 65535, and no floats.",
    )
    frames: Literal["first", "all"] = Field(
        default="first", description="Of a file with several pictures (a TIFF stack): the first, or each one of them."
    )
    resize: Literal["stretch", "pad", "crop"] = Field(default="stretch", description="'stretch' changes proportions; 'pad' and 'crop' keep them.")

    @model_validator(mode="after")
    def _sizes(self) -> ImageSpec:
        if self.levels is not None and not self.levels[0] < self.levels[1]:
            raise ValueError(f"images.levels: expected a lower and a higher number, found {list(self.levels)}")
        if not all(8 <= side <= 1024 for side in self.size):
            raise ValueError(f"images.size: expected height and width of 8 to 1024 pixels, found {list(self.size)}")
        return self


class SourceSpec(BaseModel):
    """One source of targets: the name of its format, and the options of that format as further keys."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    format: str = Field(description="Name in the table of formats.")

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside ``format``."""
        return dict(self.model_extra or {})


class SplitSpec(Strict):
    """The split of the images into train, val and test. A part that is not given is drawn from train."""

    how: Literal["ratio", "lists", "folders", "column"] = Field(default="ratio", description="Origin of the parts.")
    train: list[str] = Field(
        default_factory=list,
        description="lists: text files, one image a line, or tables among the sources; folders: folders; column: values. Empty: the rest.",
    )
    val: list[str] = Field(default_factory=list, description="The same for val; empty: drawn from train.")
    test: list[str] = Field(default_factory=list, description="The same for test; empty: drawn from train.")
    file: str = Field(default="", description="column: the table that has it; empty for each table among the sources that has it.")
    column: str = Field(default="", description="column: its name.")
    val_share: float = Field(default=0.15, gt=0, lt=0.9, description="Share of the images drawn for val.")
    test_share: float = Field(default=0.15, gt=0, lt=0.9, description="Share of the images drawn for test.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of the draw.")
    stratify: str = Field(default="", description="Classification task whose classes are drawn in equal shares; empty for none.")
    groups: Literal["none", "column", "folder", "blocks"] = Field(
        default="none",
        description="Images that stay in one part: those with one value of a column, of one folder, or neighbours by name (video frames).",
    )
    group_file: str = Field(default="", description="groups: column: the table that has it; empty for each table among the sources that has it.")
    group_column: str = Field(default="", description="groups: column: its name.")
    group_depth: int = Field(
        default=0, ge=0, le=50, description="groups: folder: number of levels of folders that count, from the top; 0 for all of them."
    )
    block: int = Field(default=16, ge=2, le=100_000, description="groups: blocks: frames that stay together.")
    gap: int = Field(
        default=0, ge=0, le=10_000, description="groups: blocks: frames left out on each side of a border between parts, so that no neighbours leak."
    )

    @model_validator(mode="after")
    def _shares(self) -> SplitSpec:
        if self.val_share + self.test_share >= 0.95:
            raise ValueError(f"splits: val_share + test_share is {self.val_share + self.test_share:g}; leave at least 0.05 to train on")
        return self


def task_title_problem(task: str, title: str) -> str:
    """Why ``title`` cannot be the title of a task, as a sentence; empty if it can."""
    problem = title_problem(title, LONGEST_TASK_TITLE)
    return f"the title of task '{task[:LONGEST_TASK_NAME]}': {problem}" if problem else ""


class ImportSpec(Strict):
    """The complete description of an import.

    Raises:
        ConfigError: from the constructors; the message names every unknown, invalid or contradictory key.
    """

    format: Literal[1] = Field(default=1, description="Version of this description.")
    path: str = Field(default="", description="Folder or zip; empty if the YAML lies beside the data.")
    images: ImageSpec = Field(default_factory=lambda: ImageSpec())
    sources: list[SourceSpec] = Field(default_factory=list, description="Sources of targets; several may have targets for the same images.")
    tasks: list[str] | None = Field(default=None, description="Tasks to keep, by name; null for all.")
    titles: dict[str, str] = Field(default_factory=dict, description="Task name -> title for people.")
    splits: SplitSpec = Field(default_factory=lambda: SplitSpec())

    @field_validator("titles")
    @classmethod
    def _lines(cls, titles: dict[str, str]) -> dict[str, str]:
        for task, title in titles.items():
            if problem := task_title_problem(task, title):
                raise ValueError(problem)
        return titles

    @classmethod
    def from_dict(cls, values: Any) -> ImportSpec:
        """Checked spec from plain values."""
        if not isinstance(values, dict):
            raise ConfigError(f"a data set's description must be a mapping of keys such as images, sources, splits; found {sort_of(values)}")
        return validated(cls, values, "")  # type: ignore[return-value]

    @classmethod
    def from_yaml(cls, text: str) -> ImportSpec:
        """Checked spec from YAML text, read with the safe loader."""
        return cls.from_dict(read_yaml(text, SPEC_BYTES))

    @classmethod
    def from_file(cls, path: str | Path) -> ImportSpec:
        """Checked spec from a YAML file."""
        try:
            with Path(path).open("rb") as file:
                return cls.from_yaml(file.read(SPEC_BYTES + 1).decode("utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the description '{path}': {why_unread(error)}. Give the path of a YAML file in UTF-8.") from None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, every default written out."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """YAML from which ``from_yaml`` makes an equal spec."""
        return write_yaml(self.to_dict())
