"""Probe predictions and text files in a run's folder, written atomically and read without torch and without unpickling."""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mtl_core.errors import StoreError

_EPOCH_FILE = re.compile(r"epoch_(\d{4,})\.npz")


@dataclass(frozen=True)
class ProbeTargets:
    """The fixed validation images that are predicted at every epoch.

    Attributes:
        images: uint8 (n, H, W, 3).
        index: (n,) rows of the validation split.
        targets: task -> array of n rows, as in ``mtl_core.data.dataset``.
        labelled: task -> bool (n,).
        inputs: self-supervised task -> uint8 (n, H, W, 3), the changed images that are its input.
    """

    images: np.ndarray
    index: np.ndarray
    targets: dict[str, np.ndarray]
    labelled: dict[str, np.ndarray]
    inputs: dict[str, np.ndarray] = field(default_factory=dict)


def probe_epochs(folder: Path) -> list[int]:
    """Epochs with saved predictions, in order; 0 is before training. Empty if the run has saved none yet."""
    probes = Path(folder) / "probes"
    if not probes.is_dir():
        return []
    return sorted(int(match[1]) for path in probes.iterdir() if (match := _EPOCH_FILE.fullmatch(path.name)))


def read_probe_targets(folder: Path) -> ProbeTargets:
    """Images and targets of the probe set.

    Raises:
        StoreError: the file is missing or damaged.
    """
    arrays = _read_npz(Path(folder) / "probes" / "targets.npz")
    missing = {"images", "index"} - arrays.keys()
    if missing:
        raise StoreError(f"'{Path(folder) / 'probes' / 'targets.npz'}' lacks {', '.join(sorted(missing))}; train the run again")
    return ProbeTargets(arrays["images"], arrays["index"], _under("target/", arrays), _under("labelled/", arrays), _under("input/", arrays))


def read_probes(folder: Path, epoch: int) -> dict[str, np.ndarray]:
    """Predictions of the probe set after ``epoch`` epochs: task -> array of n rows, as in ``mtl_core.tasks.kind``.

    Raises:
        StoreError: nothing was saved for that epoch, or the file is damaged.
    """
    return {name: rows for name, rows in read_probe_file(folder, epoch).items() if not name.startswith("candidates/")}


def read_probe_file(folder: Path, epoch: int) -> dict[str, np.ndarray]:
    """``read_probes`` plus, under ``candidates/<task>``, the candidates before any threshold (see ``TaskKind.candidates``).

    Runs of earlier versions have no candidates.
    """
    return _read_npz(Path(folder) / "probes" / f"epoch_{epoch:04d}.npz")


def read_attention(folder: Path, epoch: int) -> dict[str, dict[str, np.ndarray]]:
    """Where each task looked after ``epoch`` epochs: task -> stage -> (m, h, w) in 0..1 of the first m probe images.

    Empty for sharing schemes that learn none, and for runs of earlier versions.

    Raises:
        StoreError: the file is damaged.
    """
    path = Path(folder) / "probes" / f"attention_{epoch:04d}.npz"
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, maps in _read_npz(path).items() if path.is_file() else ():
        task, _, stage = key.partition("/")
        if maps.ndim == 3 and maps.dtype == np.uint8:
            found.setdefault(task, {})[stage] = maps.astype(np.float32) / 255
    return found


def _under(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): values for key, values in arrays.items() if key.startswith(prefix)}


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise StoreError(f"'{path}' does not exist: the run has not saved these predictions (yet)") from None
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise StoreError(f"'{path}' cannot be read: {error}. The file is damaged; train the run again to write it again.") from None
