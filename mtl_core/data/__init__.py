"""The registry of data sources. To add one: a file here and a line in this table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mtl_core.config_sections import DataConfig, PartConfig, PreprocessingConfig
from mtl_core.data.data_source import DataSource
from mtl_core.errors import ConfigError, DataError, Problem
from mtl_core.registry import Registry, validated

if TYPE_CHECKING:
    from mtl_core.config import RunConfig

DATA_SOURCES = Registry(
    "data set",
    "mtl_core.data_sources",
    {
        "digit_scenes": "mtl_core.data.sources.digit_scenes:DigitScenes",
        "digits": "mtl_core.data.sources.digits:Digits",
        "imported": "mtl_core.data.imports.imported_source:Imported",
        "mnist": "mtl_core.data.sources.mnist:MNIST",
        "multi_mnist": "mtl_core.data.sources.multi_mnist:MultiMNIST",
        "fashion_mnist": "mtl_core.data.sources.idx_sets:FashionMNIST",
        "kmnist": "mtl_core.data.sources.idx_sets:KMNIST",
        "emnist": "mtl_core.data.sources.idx_sets:EMNIST",
        "cifar10": "mtl_core.data.sources.cifar:CIFAR10",
        "cifar100": "mtl_core.data.sources.cifar:CIFAR100",
        "svhn": "mtl_core.data.sources.svhn:SVHN",
        "oxford_pets": "mtl_core.data.sources.oxford_pets:OxfordPets",
        "voc": "mtl_core.data.sources.pascal_voc:VOC",
        "celeba": "mtl_core.data.sources.celeba:CelebA",
        "nyuv2": "mtl_core.data.sources.mtl_folders:NYUv2",
        "cityscapes": "mtl_core.data.sources.mtl_folders:Cityscapes",
    },
)


def open_source(part: PartConfig) -> DataSource:
    """The source that a config names. Its options are checked; its images are preprocessed if the config asks for it.

    Raises:
        ConfigError: unknown source or option.
    """
    data = part if isinstance(part, DataConfig) else validated(DataConfig, part.model_dump(), "data")
    if data.name not in DATA_SOURCES and _is_imported(data.name):
        message = f"'{data.name}' is an imported set; write it as 'name: imported, set: {data.name}'"
        raise ConfigError(Problem("data.name", message))
    source_class = DATA_SOURCES.load(data.name, "data.name")
    source = source_class(validated(source_class.Options, data.options, "data", beside=DataConfig.model_fields))
    if not data.preprocessing.changes_images:
        return source
    from mtl_core.data.preprocessing.preprocessed import Preprocessed

    return Preprocessed(source, data.preprocessing)


def _is_imported(name: str) -> bool:
    from mtl_core.data.imports.import_library import get_imported

    try:
        get_imported(name)
    except DataError:
        return False
    return True


def open_source_of_run(config: RunConfig, folder: Path) -> DataSource:
    """The source of the data that a run was made for. What measures, predicts or shows the data of a run opens them here.

    Args:
        folder: the run's folder, which holds the note of its imported set (``mtl_core.data.imports.pinned_set``).

    Raises:
        ConfigError: unknown source or option.
        DataError: other files were imported under the name of the run's set since, or the set is not here.
    """
    if name := config.imported_set:
        from mtl_core.data.imports.pinned_set import check_pin  # with the libraries that read pictures

        check_pin(folder, name)
    return open_source(config.data)


def open_unprocessed(part: PartConfig) -> DataSource:
    """The source that a config names, without preprocessing."""
    part = part if isinstance(part, DataConfig) else validated(DataConfig, part.model_dump(), "data")
    return open_source(part.model_copy(update={"preprocessing": PreprocessingConfig()}))
