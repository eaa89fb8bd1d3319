"""Starting weights of a backbone: from a published file, a file of the user, or another run. Read once, when a run starts; checks, evaluations,
exports and predictions never read or fetch any.

Published files are kept as ``<cache>/weights/<name>/model.safetensors`` with ``origin.json`` beside it, which holds the SHA-256 of both. A PyTorch
file is read with ``weights_only``, once; a fetched one is removed afterwards.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from mtl_core import settings
from mtl_core.atomic_files import atomic_folder, write_synced
from mtl_core.backbones.backbone import Backbone
from mtl_core.backbones.published_weights import PublishedWeights
from mtl_core.config import RunConfig
from mtl_core.data.download import download
from mtl_core.errors import ConfigError, DataError, MTLError, Problem
from mtl_core.training.checkpoint_files import FILES, DamagedCheckpointError, check_files, find_checkpoint, newest_first, read_meta, sha256
from mtl_core.training.parts import Part, Parts
from mtl_core.training.tensors.weights_file import read_tensors_of

FOLDER = "weights"  # below the cache
TENSORS, ORIGIN = "model.safetensors", "origin.json"
ENDINGS = (".safetensors", ".pt", ".pth")

Told = Callable[[float, str], None]


@dataclass(frozen=True)
class StartingWeights:
    """What a network begins with.

    Attributes:
        tensors: as the source names them; None where a checkpoint has the values.
        mean, std: normalisation of the images by channel, in 0..1; empty for the data set's.
        origin: JSON-able description, kept with the statistics in checkpoints and exports.
        remarks: sentences for the log.
    """

    tensors: Mapping[str, Tensor] | None
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def normalised(self, statistics: dict[str, Any]) -> dict[str, Any]:
        """The statistics of a data set with the images' normalisation of these weights, and their origin."""
        own = {"mean": self.mean, "std": self.std} if self.mean else {}
        return {**statistics, **own, "weights": self.origin}


def starting_weights(parts: Parts, folder: Path, cache: Path, progress: Told) -> StartingWeights | None:
    """The weights that a config asks for; None if it asks for none.

    Args:
        folder: the run's folder. Its last checkpoint, if any, has the values and the normalisation, so nothing else is read then. Other runs lie
            beside it.
        progress: called with the share done and a text; an exception that it raises ends the fetching.

    Raises:
        ConfigError: a file or run is missing or does not fit. DataError: published weights cannot be fetched or are damaged.
    """
    config = parts.config.backbone
    if config.weights == "none":
        return None
    if (kept := begun_with(folder)) is not None:
        return kept
    if config.weights == "pretrained":
        return _published(parts.network.backbone, cache, progress)
    if config.weights == "file":
        return _of_file(Path(config.weights_file).expanduser(), parts.source.image_shape()[0])
    return _of_run(parts.config, folder)


def begun_with(folder: Path) -> StartingWeights | None:
    """Normalisation and origin as the newest readable checkpoint of a run has them; None without a checkpoint."""
    for name in newest_first(folder):
        try:
            statistics = read_meta(folder, name)["statistics"]
        except (DamagedCheckpointError, KeyError):
            continue
        return StartingWeights(None, list(statistics["mean"]), list(statistics["std"]), statistics.get("weights", {}))
    return None


def fitting(weights: Mapping[str, Tensor], backbone: Backbone, source: str) -> dict[str, Tensor]:
    """The tensors of ``weights`` that a backbone needs, by its own names: as they are, below ``backbone.``, or by the names of published files.

    Raises:
        ConfigError: one is missing or has another shape; the message names it.
    """
    wanted = backbone.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    ways = [{name: name for name in wanted}, {name: f"backbone.{name}" for name in wanted}]
    ways += [{name: prefix + other for name, other in backbone.published_names.items()} for prefix in ("", "module.", "model.", "backbone.")]
    names = max(ways, key=lambda way: sum(name in weights for name in way.values()))
    optional = counters | (wanted.keys() - names.keys())  # published files lack a pyramid, which keeps its random values
    found = dict(wanted)
    for name, tensor in wanted.items():
        given = weights.get(names.get(name, ""))
        if given is None:
            if name in optional:
                continue
            raise _misfit(source, f"expected a tensor '{names.get(name, name)}', found none among {_some(weights)}")
        if tensor.is_floating_point() and not given.is_floating_point():
            raise _misfit(source, f"expected '{name}' as floating-point numbers, found {str(given.dtype).removeprefix('torch.')}")
        given = backbone.adapted(name, given.to(torch.float32) if given.is_floating_point() else given)
        if given.shape != tensor.shape:
            hint = ". Published weights are for images of three channels: set data.preprocessing.colour to colour" if tensor.ndim == 4 else ""
            raise _misfit(source, f"expected '{name}' of shape {tuple(tensor.shape)}, found {tuple(given.shape)}{hint}")
        found[name] = given
    return found


def weights_problems(config: RunConfig, part: Part, channels: int) -> list[Problem]:
    """What keeps the weights of a config from being used, as far as it can be said without reading them."""
    backbone, published = config.backbone, part.type.published_weights(part.options)
    if backbone.weights == "pretrained":
        if reason := part.type.unpublished(part.options):
            return [Problem("backbone.weights", reason)]
        if published is None:
            return [Problem("backbone.weights", f"there are no published weights for '{part.name}'. Take none, a file or a run, or another backbone")]
        if channels != 3:
            message = f"the published weights are for images of three channels, found {channels}. Set data.preprocessing.colour to colour"
            return [Problem("backbone.weights", message)]
        cache = settings.home() / "data"
        if published.package and _packaged(published) is None and not _is_kept(published, cache) and _placed(published, cache) is None:
            return [Problem("backbone.weights", _missing(published, cache))]
    if backbone.weights == "file":
        path = Path(backbone.weights_file).expanduser()
        if path.suffix.lower() not in ENDINGS:
            return [Problem("backbone.weights_file", f"expected a file that ends with {', '.join(ENDINGS)}, found '{path}'")]
        if not path.is_file():
            return [Problem("backbone.weights_file", f"there is no file '{path}'. Give the path of a file of weights")]
    return []


def weights_remarks(config: RunConfig, part: Part) -> list[str]:
    """What a user should know about the weights of a config before it runs."""
    backbone, found = config.backbone, []
    published = part.type.published_weights(part.options)
    cache = settings.home() / "data"
    if backbone.weights == "pretrained" and published and published.url and not (_is_kept(published, cache) or _placed(published, cache)):
        found.append(f"{published.megabytes:.0f} MB of weights are fetched when the run starts, into '{_folder(published, cache)}'")
    if backbone.weights in ("pretrained", "run") and config.data.preprocessing.standardise != "channels":
        found.append("data.preprocessing.standardise has no effect: images are normalised as the starting weights were trained")
    if backbone.weights == "none" and backbone.freeze == "all" and backbone.freeze_epochs is None:
        found.append("the backbone begins with random values and keeps them, because freeze is 'all' and weights is 'none'")
    return found


def _published(part: Part, cache: Path, progress: Told) -> StartingWeights:
    published = part.type.published_weights(part.options)
    if published is None:
        raise ConfigError(Problem("backbone.weights", part.type.unpublished(part.options) or f"there are none for '{part.name}'"))
    path = _kept(published, cache) or _converted(published, cache, progress)
    kept = json.loads((path.parent / ORIGIN).read_text(encoding="utf-8"))
    origin = {"from": "pretrained", "name": published.name, "sha256": kept["sha256"]}
    origin |= {"trained_on": published.trained_on, "licence": published.licence}
    return StartingWeights(load_file(path), list(published.mean), list(published.std), origin)


def _folder(published: PublishedWeights, cache: Path) -> Path:
    return cache / FOLDER / published.name


def _is_kept(published: PublishedWeights, cache: Path) -> bool:
    """Whether the converted file is there. A check does not read it; the run does, and converts it again if it is damaged."""
    return (_folder(published, cache) / TENSORS).is_file()


def _kept(published: PublishedWeights, cache: Path) -> Path | None:
    """The converted file, if it is whole."""
    folder = _folder(published, cache)
    try:
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        return folder / TENSORS if origin["sha256"] == sha256(folder / TENSORS) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _packaged(published: PublishedWeights) -> Path | None:
    """The file in the installed package that holds it. The package's code is not run."""
    found = importlib.util.find_spec(published.package) if published.package else None
    for folder in (found.submodule_search_locations or ()) if found else ():
        for path in Path(folder).rglob(published.file):
            return path
    return None


def _placed(published: PublishedWeights, cache: Path) -> Path | None:
    """The published file, where somebody has put it into the folder of weights."""
    path = cache / FOLDER / published.file
    return path if path.is_file() else None


def _missing(published: PublishedWeights, cache: Path) -> str:
    where = f"'{published.file}' ({published.megabytes:.0f} MB) in the folder '{cache / FOLDER}'"
    if published.package:
        name = published.package.replace("_", "-")
        return f"the weights were not found. Install the package {name} (the extra {published.extra}), or put {where}"
    renamed = "" if published.url.endswith(f"/{published.file}") else ", under another name"
    return f"the weights were not found. Put {where}; they are published at {published.url}{renamed}"


def _converted(published: PublishedWeights, cache: Path, progress: Told) -> Path:
    """The published file as safetensors. It is fetched if it is nowhere on this machine, and removed afterwards."""
    folder = _folder(published, cache)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as passing:
            source = _packaged(published) or _placed(published, cache)
            if source is None:
                published = _with_sum(published, cache)
                source = _fetched(published, Path(passing), cache, progress)
            if folder.exists():  # damaged: it was not accepted before
                os.replace(folder, Path(passing) / "damaged")
            _keep(published, source, folder, progress)
    except OSError as error:
        raise DataError(f"the weights cannot be kept in '{folder}': {error.strerror or error}") from None
    return folder / TENSORS


def _keep(published: PublishedWeights, source: Path, folder: Path, progress: Told) -> None:
    """Check the published file ``source`` and write its tensors and its origin to ``folder``."""
    digest = sha256(source)
    if not digest.startswith(published.sha256):
        raise DataError(f"'{source}' is not {published.file} as it was published: expected SHA-256 {published.sha256}, found {digest}. Get it again.")
    progress(1.0, "converting the weights")
    content = save(read_tensors_of(source)[0], metadata={"mean": json.dumps(published.mean), "std": json.dumps(published.std)})
    with atomic_folder(folder) as temporary:
        write_synced(temporary / TENSORS, content)
        origin = {"sha256": hashlib.sha256(content).hexdigest(), "file": published.file, "file_sha256": digest, "licence": published.licence}
        write_synced(temporary / ORIGIN, json.dumps(origin, indent=1).encode())


def _with_sum(published: PublishedWeights, cache: Path) -> PublishedWeights:
    """The weights with the SHA-256 that their server says, where nothing else says it."""
    if published.sha256 or not published.url:
        return published
    import requests

    try:
        answer = requests.head(published.url, allow_redirects=True, timeout=30)
        answer.raise_for_status()
    except OSError as error:
        raise DataError(f"{_missing(published, cache)}. The download failed: {' '.join(str(error).split())}") from None
    said = next((found.headers["X-Linked-ETag"].strip('"') for found in [*answer.history, answer] if "X-Linked-ETag" in found.headers), "")
    if len(said) != 64:
        raise DataError(f"the server does not say the SHA-256 of {published.url}, so the file is not fetched. {_missing(published, cache)}")
    return replace(published, sha256=said)


def _fetched(published: PublishedWeights, folder: Path, cache: Path, progress: Told) -> Path:
    """The published file in ``folder``. Its sum is not checked here, because of some files only the first digits are published."""
    if not published.url:
        raise ConfigError(Problem("backbone.weights", _missing(published, cache)))
    try:
        return download(published.url, None, folder, progress)
    except OSError as error:
        raise DataError(f"{_missing(published, cache)}. The download failed: {' '.join(str(error).split())}") from None


def _of_file(path: Path, channels: int) -> StartingWeights:
    """Weights of a user's file; its normalisation counts if it is one mean and one positive spread for each channel."""
    try:
        tensors, metadata = read_tensors_of(path)
        origin = {"from": "file", "name": path.name, "sha256": sha256(path)}
    except OSError as error:
        raise ConfigError(Problem("backbone.weights_file", f"'{path}' cannot be read: {error.strerror or error}")) from None
    try:
        mean, std = ([float(value) for value in json.loads(metadata[key])] for key in ("mean", "std"))
        if not (len(mean) == len(std) == channels and all(map(math.isfinite, mean)) and all(0 < value < math.inf for value in std)):
            raise ValueError
    except (KeyError, ValueError, TypeError, RecursionError):
        remark = f"'{path.name}' does not say how its images were normalised; they are normalised as data.preprocessing.standardise says"
        return StartingWeights(tensors, origin=origin, remarks=(remark,))
    return StartingWeights(tensors, mean, std, origin)


def _of_run(config: RunConfig, folder: Path) -> StartingWeights:
    wanted = config.backbone.weights_run.strip()
    other = folder.parent / wanted
    key = "backbone.weights_run"
    if not wanted or "/" in wanted or "\\" in wanted or wanted.startswith(".") or not (other / "config.yaml").is_file():
        raise ConfigError(Problem(key, f"there is no run '{wanted}' in this store. Give the whole id of a run"))
    if other == folder:
        raise ConfigError(Problem(key, "a run cannot begin with its own weights; give another run's id"))
    theirs = RunConfig.from_file(other / "config.yaml")
    if theirs.backbone.network() != config.backbone.network():
        message = f"run {wanted} has the backbone {theirs.backbone.network()}, this one {config.backbone.network()}. Take the same name and options"
        raise ConfigError(Problem(key, message))
    try:
        chosen = find_checkpoint(other, "best")
        check_files(other, chosen.name, FILES[:1])
        tensors = load_file(other / "checkpoints" / chosen.name / FILES[0])
        statistics = read_meta(other, chosen.name)["statistics"]
    except (MTLError, SafetensorError, OSError, KeyError) as error:
        raise ConfigError(Problem(key, f"run {wanted} has no checkpoint to begin with: {error}")) from None
    if not any(name.startswith("backbone.") for name in tensors):
        raise ConfigError(
            Problem(key, f"run {wanted} has no backbone that all its tasks share ({theirs.sharing.name}). Take a run of another scheme")
        )
    origin = {
        "from": "run",
        "run": wanted,
        "name": theirs.title(),
        "epoch": chosen.epoch,
        "sha256": sha256(other / "checkpoints" / chosen.name / FILES[0]),
    }
    ours = {name: tensor for name, tensor in tensors.items() if name.startswith("backbone.")}
    return StartingWeights(ours, list(statistics["mean"]), list(statistics["std"]), origin)


def _misfit(source: str, why: str) -> ConfigError:
    return ConfigError(Problem("backbone.weights", f"{source} does not fit the backbone: {why}"))


def _some(weights: Mapping[str, Tensor]) -> str:
    names = list(weights)
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
