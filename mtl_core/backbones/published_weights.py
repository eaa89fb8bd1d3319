"""PublishedWeights: the description of a file of trained weights that others publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights, and the normalisation of the images that they were trained with.

    Attributes:
        name: short and unique; the name of its folder below ``MTL_HOME/data/weights``.
        file: name of the file as it is published.
        sha256: of the file, in hexadecimal: all 64 digits, or the first ones where no more are published. Empty where the server says it when the
            file is fetched.
        megabytes: its size; about, where ``sha256`` is empty.
        url: where it is fetched; empty where it is not.
        package: the Python package that holds it; empty where none does.
        extra: the extra of this project that installs the package.
        trained_on: data set and size of the images. licence: of the weights.
        mean, std: of red, green and blue, in 0..1.
    """

    name: str
    file: str
    sha256: str
    megabytes: float
    trained_on: str
    licence: str
    url: str = ""
    package: str = ""
    extra: str = ""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


def of_torchvision(file: str, megabytes: float) -> PublishedWeights:
    """Weights of torchvision, trained on ImageNet. The file's name ends with the first digits of its SHA-256."""
    name, digits = file.removesuffix(".pth").rsplit("-", 1)
    return PublishedWeights(
        f"torchvision-{name}-{digits}",
        file,
        digits,
        megabytes,
        trained_on="ImageNet-1k, 224 pixels",
        licence="BSD-3-Clause (torchvision); ImageNet's terms may apply",
        url=f"https://download.pytorch.org/models/{file}",
    )


def of_hub(
    repository: str,
    file: str,
    *,
    megabytes: float,
    trained_on: str,
    licence: str | None,
    mean: Sequence[float],
    std: Sequence[float],
) -> PublishedWeights:
    """Weights in a repository of the Hugging Face Hub, which says a file's SHA-256 when it is asked for it."""
    short, page = repository.rpartition("/")[2], f"https://huggingface.co/{repository}"
    return PublishedWeights(
        f"hub-{repository.replace('/', '-')}",
        f"{short}.{file.rpartition('.')[2]}",
        sha256="",
        megabytes=megabytes,
        trained_on=trained_on,
        licence=licence or f"not stated by timm; see {page}",
        url=f"{page}/resolve/main/{file}",
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
    )
