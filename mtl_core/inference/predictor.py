"""Predictor: a trained network with preprocessing and decoding, from images to typed predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from mtl_core.data.batches import normalisation
from mtl_core.data.preprocessing import open_denoiser
from mtl_core.data.preprocessing.recolour import recoloured
from mtl_core.errors import ConfigError, DataError
from mtl_core.inference.fit import HOW, Fit, fit, into_frame
from mtl_core.inference.image_reading import as_image
from mtl_core.inference.model_folder import ModelDescription, ModelFileError
from mtl_core.inference.results import ImagePrediction, on_image
from mtl_core.randomness import unnoticed
from mtl_core.tasks.kind import Drawing
from mtl_core.tasks.pretext.self_supervised import self_supervised
from mtl_core.training.build import build_kinds, build_model
from mtl_core.training.execution import resolve_device
from mtl_core.training.parts import network_parts
from mtl_core.training.tensors.network_tensors import OtherNetworkError, fitting_tensors


class Predictor:
    """A trained network; ``mtl_core.load`` makes it. Computes in float32, with batch normalisation's running statistics.

    Attributes:
        description: config, tasks, statistics and position in training.
        kinds: task name -> ``TaskKind``, which decodes and draws.
        model: the network in evaluation mode; normalised images (n, C, H, W) -> raw output per task.
        device: the device in use.
        how: ``pad``, ``stretch`` or ``crop``.

    Raises:
        ModelFileError: the tensors do not fit the network.
        ConfigError: a part of the config is not installed, or ``fit`` is unknown.
    """

    def __init__(self, description: ModelDescription, tensors: bytes, device: str = "cpu", fit: str | None = None):
        self.description, self.device = description, resolve_device(device)
        self.how = _how(description, fit)
        self._source_how, self._bars, self._source_shape = _placed(description)
        self.levels = (description.statistics.get("placed") or {}).get("levels")  # of 16-bit and float pictures
        self._denoise = open_denoiser(description.config.data.preprocessing.denoise)
        self.kinds = build_kinds(description.config, description.tasks, description.statistics)
        with unnoticed():  # the random values are replaced by the trained ones
            model = build_model(network_parts(description.config), self.kinds, description.statistics)
        model.load_state_dict(_own(tensors, model.state_dict()))
        self.model = model.to(self.device).eval()
        self.normalisation = normalisation(description.statistics, torch.device(self.device))  # scale and offset, (1, C, 1, 1) each

    def __repr__(self) -> str:
        return f"<Predictor of {self.description.config.title()}, epoch {self.description.epoch}: {', '.join(self.kinds)}; on {self.device}>"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the network's input."""
        return self.description.image_shape

    def predict(self, images: Any, batch_size: int = 16) -> list[ImagePrediction]:
        """Predictions of every image, in order, each in pixels of the given image; see ``mtl_core.inference.results``.

        Args:
            images: one image or several (a list, or an array (N, H, W, 3)). An image is a path, a file's content as bytes, a Pillow image, or an
                array or tensor: uint8, or float in 0..1, of shape (H, W), (H, W, 1) or (H, W, 3). They may differ in size.

        Raises:
            ImageFileError, DataError: one of them is not an image; no predictions are returned then.
        """
        return list(self.predict_each(_several(images), batch_size))

    def predict_each(self, images: Iterable[Any], batch_size: int = 16) -> Iterator[ImagePrediction]:
        """``predict`` for any number of images, with ``batch_size`` of them in memory at a time."""
        source = iter(images)
        while batch := [as_image(image, self.levels) for image in islice(source, batch_size)]:
            yield from self._predict(batch)

    def framed(self, image: Any) -> np.ndarray:
        """uint8 (h, w, C): an image at the network's size and with its channels."""
        image = as_image(image, self.levels)
        return self._framed(image)

    def normalised(self, frames: np.ndarray) -> Tensor:
        """uint8 (n, h, w, C) at the network's size -> float32 (n, C, h, w), normalised as in training, on its device."""
        pixels = torch.from_numpy(np.array(frames.transpose(0, 3, 1, 2), order="C")).to(self.device, torch.float32)
        scale, offset = self.normalisation
        return pixels.mul_(scale).add_(offset)

    @torch.inference_mode()
    def outputs(self, frames: np.ndarray) -> dict[str, Any]:
        """Raw outputs per task of uint8 (n, h, w, C) at the network's size."""
        return self.model(self.normalised(frames))

    def decode(self, outputs: dict[str, Any]) -> dict[str, np.ndarray]:
        """Predictions per task, n rows as in ``mtl_core.tasks.kind``, in the network's frame. Without tasks that only compare images with each other
        (contrastive), because they have no prediction for one image."""
        comparing = {name for name, kind in self_supervised(self.kinds).items() if kind.images_at_least > 1}
        return {name: kind.decode(outputs[name]) for name, kind in self.kinds.items() if name not in comparing}

    def draw(self, image: np.ndarray, prediction: ImagePrediction, task: str, scale: int = 1) -> Drawing:
        """A task's prediction drawn over the given image, uint8 (H, W, 3)."""
        kind, result = self.kinds[task], prediction[task]
        if type(result).__name__ == "Decoded":  # an unknown kind, which is drawn in the network's frame
            return kind.draw_prediction(prediction.frame, result.decoded, kind.task, scale)
        return kind.draw_prediction(image, result.decoded, kind.task, scale)

    def _predict(self, images: list[np.ndarray]) -> Iterator[ImagePrediction]:
        frames = np.stack([self._framed(image) for image in images])
        decoded = self.decode(self.outputs(frames))
        for row, (image, frame) in enumerate(zip(images, frames, strict=True)):
            size = image.shape[:2]
            placed, raw = self._fit(size), {name: values[row] for name, values in decoded.items()}
            results = {name: on_image(self.kinds[name].task, values, placed) for name, values in raw.items()}
            yield ImagePrediction(size, results, raw, np.repeat(frame, 3 // frame.shape[2], axis=2), placed)

    def _framed(self, image: np.ndarray) -> np.ndarray:
        """Process an image like a training image: placement by the data set, then denoising, colour and size of preprocessing."""
        placed, steps = self._fit(image.shape[:2]), self.description.config.data.preprocessing
        if self._places_first():
            image, placed = into_frame(image, placed.before or placed, self._bars), placed if placed.before else None
        if self._source_shape[0] == 1:
            image = _grey(image)
        image = recoloured(self._denoise(image.transpose(2, 0, 1)), steps.colour).transpose(1, 2, 0)
        return np.ascontiguousarray(image if placed is None else into_frame(image, placed))

    def _places_first(self) -> bool:
        """Whether the data set resized its pictures before preprocessing."""
        return self._source_how != "none"

    def _fit(self, size: tuple[int, int]) -> Fit:
        frame, steps = self.image_shape[1:], self.description.config.data.preprocessing
        if not self._places_first():
            return fit(size, frame, self.how)
        first = fit(size, self._source_shape[1:], self.how)
        return first if steps.resize == "none" else replace(fit(self._source_shape[1:], frame, steps.resize), before=first)


def _grey(image: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) -> (h, w, 1)."""
    return np.asarray(Image.fromarray(image).convert("L"))[..., None]


def _several(images: Any) -> list[Any]:
    if isinstance(images, str | Path | bytes | Image.Image):
        return [images]
    if isinstance(images, Tensor):  # its first axis would be read as images
        images = images.detach().cpu().numpy()
    if not isinstance(images, Iterable):
        raise DataError(f"expected one image or several (path, bytes, Pillow image, array or tensor), found {type(images).__name__}")
    if isinstance(images, np.ndarray):
        if images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3)):
            return [images]
        if images.ndim != 4:  # (3, H, W) would be read as three grey images
            raise DataError(
                f"expected an array (H, W), (H, W, 1), (H, W, 3) or (N, H, W, 3), found {images.shape}. Channels come last; grey images go in a list"
            )
    return list(images)


def _how(description: ModelDescription, asked: str | None) -> str:
    if asked is not None and asked not in HOW:
        raise ConfigError(f"fit: expected one of {', '.join(HOW)}, found '{asked}'")
    steps, source = description.config.data.preprocessing, _placed(description)[0]
    trained = source if source != "none" else description.statistics.get("resized", steps.resize)
    return asked or (trained if trained in HOW else "pad")


def _placed(description: ModelDescription) -> tuple[str, str, tuple[int, int, int]]:
    """The data set's treatment of its pictures before preprocessing: resize mode, colour of the bars, and resulting shape (C, H, W).

    Models of earlier versions do not record it: imported pictures had black bars, and without a resize in preprocessing the size is the data set's.
    """
    known, steps, shape = description.statistics.get("placed"), description.config.data.preprocessing, description.image_shape
    if known:
        return known["how"], known["bars"], tuple(known["shape"])
    how = description.statistics.get("resized", "none") if steps.resize == "none" else "none"
    channels = 1 if shape[0] == 1 and steps.colour != "grey" else 3  # grey input without conversion means a grey data set
    return how, "black" if description.config.data.name == "imported" else "mean", (channels, *shape[1:])


def _own(content: bytes, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    try:
        tensors = load_tensors(content)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise ModelFileError(
            f"the tensors cannot be read ({str(error).splitlines()[0]}); expected a safetensors file. Get the model again."
        ) from None
    try:
        own = fitting_tensors(tensors, wanted)
    except OtherNetworkError as error:
        raise ModelFileError(str(error)) from None
    for name, tensor in own.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelFileError(
                f"the tensor '{name}' has values that are not finite (NaN or infinity): take another checkpoint, or get the model again."
            )
    return own
