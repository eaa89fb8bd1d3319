"""``load``: loads a trained network from a run or an exported folder.

No file is unpickled: tensors come from safetensors files with a checked SHA-256, everything else from JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtl_core.config import RunConfig
from mtl_core.data import open_source_of_run
from mtl_core.data.dataset import Task
from mtl_core.data.prepare import prepare
from mtl_core.errors import RunNotFoundError, StoreError
from mtl_core.inference.model_folder import DESCRIPTION, ModelDescription, ModelFileError, read_model, read_tensors, statistics_problem, tasks_of
from mtl_core.inference.predictor import Predictor
from mtl_core.runs.run_reading import RUN_ID
from mtl_core.runs.store import open_store
from mtl_core.training.checkpoint_files import FILES, DamagedCheckpointError, find_checkpoint, read_meta


def load(
    run_or_folder: str | Path, checkpoint: str | int = "best", *, device: str = "cpu", fit: str | None = None, home: str | Path | None = None
) -> Predictor:
    """A run's network, ready to predict: ``load("20261123-141502-3fa9").predict(["a.jpg"])``.

    Args:
        run_or_folder: a run's id in the store (or the beginning of the id); or the folder of an exported model or of a run.
        checkpoint: ``best`` (on val), ``best:TASK`` (of one task), ``last``, or a kept epoch's number. An exported folder has one: ignored.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        fit: how images are resized to the network's size: ``pad``, ``stretch`` or ``crop``; None: as in training, else ``pad``.
        home: the store's folder; None for MTL_HOME, else ``./runs``.

    Raises:
        RunNotFoundError: the run or folder does not exist.
        NotPossibleError: the run has no such checkpoint; the message lists those that it has.
        ModelFileError, StoreError: files are missing, damaged or changed.
    """
    description, tensors = find_model(run_or_folder, checkpoint, home=home)
    return Predictor(description, tensors, device=device, fit=fit)


def find_model(run_or_folder: str | Path, checkpoint: str | int = "best", *, home: str | Path | None = None) -> tuple[ModelDescription, bytes]:
    """The description of a network and its tensors, as the content of a safetensors file. Arguments and errors as for ``load``."""
    folder = Path(run_or_folder)
    if (folder / DESCRIPTION).is_file():
        return read_model(folder)
    if (folder / "config.yaml").is_file() and (folder / "checkpoints").is_dir():
        name = folder.resolve().name
        run = {"id": name, "name": ""} if RUN_ID.fullmatch(name) else {}
        return _from_run(folder, RunConfig.from_file(folder / "config.yaml"), folder.resolve().parents[1] / "data", run, checkpoint)
    if folder.is_dir():
        raise RunNotFoundError(
            f"'{run_or_folder}' is a folder without {DESCRIPTION}; expected an exported model's folder, a run's folder, or a run's id"
        )
    store = open_store(home)
    run = store.get(str(run_or_folder))

    def bring(name: str) -> None:
        store.artifacts.bring(run.id, lambda path: path == f"checkpoints/{name}/{FILES[0]}")

    return _from_run(store.folder(run.id), run.config, store.cache, {"id": run.id, "name": run.name}, checkpoint, bring)


def _of_meta(meta: dict[str, Any], config: RunConfig, path: Path) -> tuple[dict[str, Task], dict[str, Any]]:
    """Tasks and statistics as a checkpoint describes them. Its folder may be a stranger's, too."""
    try:
        tasks, statistics = tasks_of(meta["described_tasks"]), meta["statistics"]
        problem = statistics_problem(statistics, {name: tasks[name] for name in config.tasks})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        problem = f"{type(error).__name__} ({error})"
    if problem:
        raise ModelFileError(f"'{path / 'meta.json'}' does not describe the checkpoint's network: {problem}. Choose another checkpoint.")
    return tasks, statistics


def _from_run(
    folder: Path,
    config: RunConfig,
    cache: Path,
    run: dict[str, str],
    wanted: str | int,
    bring: Callable[[str], None] = lambda name: None,
) -> tuple[ModelDescription, bytes]:
    """``bring``: fetches the network of the checkpoint with this name, where it is not on this machine."""
    for attempt in (1, 2):
        chosen = find_checkpoint(folder, wanted)
        bring(chosen.name)
        path = folder / "checkpoints" / chosen.name
        if attempt == 2 or path.is_dir():  # a training run may have replaced its last checkpoint since the index was read
            break
    try:
        meta = read_meta(folder, chosen.name)
    except DamagedCheckpointError as error:
        raise StoreError(f"{error}. Choose another checkpoint of the run.") from None
    sums = meta.get("sha256", {}) if isinstance(meta.get("sha256"), dict) else {}
    tensors = read_tensors(path / FILES[0], sums.get(FILES[0]), unchecked=meta.get("format", 1) == 1)  # the first format had no sums
    if "statistics" in meta and "described_tasks" in meta:
        tasks, statistics = _of_meta(meta, config, path)
    else:  # written before checkpoints said what their data were
        data = prepare(open_source_of_run(config, folder), cache)
        tasks, statistics = dict(data.tasks), data.statistics
    own = {name: tasks[name] for name in config.tasks if name in tasks}
    return ModelDescription(config, own, statistics, run, chosen.epoch, chosen.step, chosen.whole_epoch), tensors
