"""Resume, train on and fork.

Each of the three queues the run. With ``held`` (``holding.held_by_us``) the caller claims the run at once instead, so that a dashboard on the same
queue cannot claim a run that trains in the foreground.

A fork copies the state after one of its parent's epochs (network, optimizer, random generators) and continues with other settings. Its folder is
complete, so its parent can be deleted. Its own scalars begin at the fork; ``past_of`` returns the scalars that its parents measured before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, update

from mtl_core.atomic_files import write_text
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, NotPossibleError, Problem, StoreError
from mtl_core.run_names import fork_name
from mtl_core.runs.claims import forget_requests
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.result_rows import forget_test_results
from mtl_core.runs.sql.run_facts import write_facts
from mtl_core.runs.sql.run_rows import end_of_queue, place_of_interrupted
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.training.checkpoint_files import (
    FILES,
    KeptCheckpoint,
    copy_for_fork,
    find_checkpoint,
    has_training_state,
    kept_checkpoints,
    link_or_copy,
)

if TYPE_CHECKING:
    import pandas

# Sections of the config that a fork cannot change: they decide the network and the length of an epoch.
FIXED = ("data", "backbone", "sharing", "batch_size")
# Keys of the backbone that a fork can change.
TRAINED = ("freeze", "freeze_stages", "freeze_epochs", "lr_factor", "layer_decay")
RESUMABLE = (RunStatus.STOPPED, RunStatus.INTERRUPTED, RunStatus.FAILED)

_runs = schema.runs


def resume(store: RunStore, run_id: str, held: Mapping[str, Any] | None = None) -> Run:
    """Queue a run that ended before its last epoch, to continue from its last checkpoint (from its start if it has none).

    An interrupted run goes before the runs that have not begun, any other one to the end.

    Raises:
        NotPossibleError: the run is queued, held or finished.
    """
    run = store.get(run_id)
    if run.status == RunStatus.FINISHED:
        raise NotPossibleError(f"run {run.id} is finished; to continue it, train it on to more than its {run.epochs} epochs")
    return _requeue(store, run, f"resumed after it was {run.status}", held)


def train_on(store: RunStore, run_id: str, epochs: int, held: Mapping[str, Any] | None = None) -> Run:
    """Queue an ended run with more epochs. Its metrics on test, if any, are deleted and measured again at the new end.

    The learning rate follows the schedule for the new length, so it may jump up from its last value.

    Args:
        epochs: the new total.

    Raises:
        NotPossibleError: the run has not ended.
        ConfigError: ``epochs`` is not above the run's present total.
    """
    run = store.get(run_id)
    if epochs <= run.epochs:
        raise ConfigError(Problem("epochs", f"expected more than the run's {run.epochs}, found {epochs}; give the new total"))
    config = run.config.with_overrides([f"epochs={epochs}"])
    return _requeue(store, run, f"trained on to {epochs} epochs", held, config)


def _requeue(store: RunStore, run: Run, line: str, held: Mapping[str, Any] | None, config: RunConfig | None = None) -> Run:
    _check_state(store, run)  # it also fetches the folder, which ``_lengthen`` writes to in the transaction
    allowed = RESUMABLE if config is None else (*RESUMABLE, RunStatus.FINISHED)
    again = {"status": RunStatus.QUEUED.value, "seconds_before": run.seconds, "started_at": None, "finished_at": None}
    again |= {"training_started_at": None, "failure": None, "archived": 0, "owner_token": None, **(held or {})}
    with store.database.write() as connection:
        ended = update(_runs).where(_runs.c.id == run.id, _runs.c.status.in_([status.value for status in allowed]))
        place = place_of_interrupted(connection, run.id) if run.status == RunStatus.INTERRUPTED else end_of_queue(connection)
        taken = connection.execute(ended.values(queue_rank=place, **again)).rowcount == 1
        if taken:
            forget_requests(connection, run.id)
        if taken and config is not None:
            _lengthen(connection, store, run, config)
    if not taken:
        raise NotPossibleError(f"run {run.id} is {store.get(run.id).status}; only a run that has ended can be resumed or trained on")
    store.note(run.id, "info", line)
    store.artifacts.keep(run.id)
    return store.get(run.id)


def _check_state(store: RunStore, run: Run) -> None:
    """Raise NotPossibleError for a run whose checkpoints hold no training state, because it came from an archive."""
    is_elsewhere = any(path.endswith(f"/{FILES[1]}") for path in store.artifacts.sent(run.id))
    if not has_training_state(store.folder(run.id)) and not is_elsewhere:
        raise NotPossibleError(
            f"the checkpoints of run {run.id} have no training state (state.pt): it came from an archive, which holds none. "
            "Start a new run with its settings, or use its network as starting weights"
        )


def _lengthen(connection: Connection, store: RunStore, run: Run, config: RunConfig) -> None:
    """Store a config with more epochs. The file is written last, so that its failure rolls back the rest."""
    total = run.steps_total * config.epochs // run.epochs if run.steps_total else None
    values = {"config": schema.to_json(config.to_dict()), "steps_total": total}
    connection.execute(update(_runs).where(_runs.c.id == run.id).values(**values))
    forget_test_results(connection, run.id)
    write_facts(connection, run.id)
    path = store.place(run.id) / "config.yaml"
    try:
        write_text(path, config.to_yaml())
    except OSError as error:
        raise StoreError(f"cannot write '{path}': {error.strerror or error}. The run is unchanged.") from error


def forkable(store: RunStore, run_id: str) -> list[KeptCheckpoint]:
    """Checkpoints of a run after whole epochs, oldest first."""
    return [checkpoint for checkpoint in kept_checkpoints(store.folder(store.get(run_id).id)) if checkpoint.whole_epoch]


def kept_at(store: RunStore, run_id: str, epoch: str | int) -> KeptCheckpoint:
    """The checkpoint after an epoch (its number, ``best`` or ``last``). Raises NotPossibleError, naming the kept epochs, if there is none."""
    return find_checkpoint(store.folder(store.get(run_id).id), epoch, whole=True)


def config_after(parent: Run, epoch: int) -> RunConfig:
    """The parent's config after ``epoch``: live changes up to then are applied, later ones are dropped."""
    return parent.config.at_step(_steps_after(parent, epoch))


def _steps_after(parent: Run, epoch: int) -> int:
    """Number of optimizer steps of a run up to the end of ``epoch``."""
    return epoch * int(parent.info.get("steps_per_epoch", 0))


def fork_config(parent: Run, epoch: int, assignments: Iterable[str]) -> RunConfig:
    """The parent's config after ``epoch`` (see ``config_after``) with ``key=value`` changes, checked by ``checked_fork``.

    Raises:
        ConfigError: a change that a fork cannot make, or no epoch left to train.
    """
    config = config_after(parent, epoch).with_overrides(assignments)
    if config.name == parent.config.name:
        config = config.model_copy(update={"name": fork_name(parent.name, config_after(parent, epoch), config, epoch)})
    return checked_fork(parent, epoch, config)


def checked_fork(parent: Run, epoch: int, config: RunConfig) -> RunConfig:
    """``config``, if a fork of ``parent`` after ``epoch`` can train with it; otherwise raises ConfigError with every problem."""
    before, after = parent.config.to_dict(), config.to_dict()
    for values in (before, after):  # what of the backbone is trained may change
        values["backbone"] = {key: value for key, value in values["backbone"].items() if key not in TRAINED}
    problems = [
        Problem(key, f"a fork keeps its parent's {key.replace('_', ' ')}; start a new run to change it") for key in FIXED if before[key] != after[key]
    ]
    for task in config.tasks:
        if task not in parent.config.tasks:
            problems += _adding_problems(parent, config, task)
        elif parent.config.tasks[task].options != config.tasks[task].options:
            problems.append(Problem(f"tasks.{task}", "a fork can change a task's loss_weight, not its other options"))
        elif parent.config.tasks[task].label_fraction != config.tasks[task].label_fraction:
            problems.append(Problem(f"tasks.{task}.label_fraction", "a fork keeps its parent's labels; start a new run to change the share"))
    begins = _steps_after(parent, epoch)
    if early := [change for change in config.changes if change.step <= begins]:
        problems.append(
            Problem(
                "changes",
                f"the change of {early[0].key} at step {early[0].step} is before the fork's first step, {begins + 1}; "
                "remove it and give its value as a setting",
            )
        )
    if config.epochs <= epoch:
        problems.append(Problem("epochs", f"{config.epochs} leaves nothing to train after epoch {epoch}; give the new total"))
    if problems:
        raise ConfigError(problems)
    return config


def _adding_problems(parent: Run, config: RunConfig, task: str) -> list[Problem]:
    """Why a task cannot be added to a trained network."""
    from mtl_core.sharing import SHARING_SCHEMES

    name, known = parent.config.sharing.name, ", ".join(parent.config.tasks)
    if config.backbone.freeze != "all" or config.backbone.freeze_epochs is not None:
        message = f"the parent was not trained on it; it has {known}. A fork can add a task only if the backbone is frozen (backbone.freeze: all)"
        return [Problem(f"tasks.{task}", message)]
    scheme = SHARING_SCHEMES.load(name, "sharing.name")
    if not scheme.can_add_tasks:
        fitting = ", ".join(each for each in SHARING_SCHEMES if SHARING_SCHEMES.load(each).can_add_tasks)
        message = f"under the sharing scheme '{name}' a further task would change what the others compute, so a fork can only remove tasks"
        return [Problem(f"tasks.{task}", f"{message}. The parent has: {known}. Tasks can be added under {fitting}")]
    if len(parent.config.tasks) == 1 and not scheme.has_shared_features:
        message = f"the parent has one task ({known}), and with one task '{name}' is the plain network. Only a network of several tasks can have more"
        return [Problem(f"tasks.{task}", message)]
    return []


def adding(parent: Run, tasks: Iterable[str]) -> list[str]:
    """``key=value`` changes that add tasks to a trained network and keep what it has: backbone and heads are frozen, the new heads are trained."""
    return ["backbone.freeze=all", "backbone.freeze_epochs=null", *(f"tasks.{name}.frozen=true" for name in parent.config.tasks)] + [
        f"tasks.{name}={{}}" for name in tasks
    ]


def fork(store: RunStore, run_id: str, epoch: int, config: RunConfig, request_id: str | None = None, held: Mapping[str, Any] | None = None) -> Run:
    """Queue a new run that starts from the checkpoint of ``run_id`` after ``epoch`` with ``config`` (see ``fork_config``).

    Raises:
        NotPossibleError: the parent has no checkpoint of that epoch; names those that it has.
        ConfigError: the config does not fit the parent.
        StoreError, TrainingError: the checkpoint cannot be read or copied; no run is made then.
        DataError: other data have the name of the parent's imported set by now.
    """
    parent = store.get(run_id)
    _check_state(store, parent)
    checkpoint, source = kept_at(store, parent.id, epoch), store.folder(parent.id)
    config = checked_fork(parent, epoch, config)
    if name := config.imported_set:
        from mtl_core.data.imports.pinned_set import check_pin  # with the libraries that read pictures

        check_pin(source, name, store.home)
    store.artifacts.bring(parent.id, lambda path: path.startswith(f"checkpoints/{checkpoint.name}/"))

    def fill(folder: Path) -> None:
        copy_for_fork(source, checkpoint.name, folder)
        if set(config.tasks) <= set(parent.config.tasks):  # else the parent's predictions lack a task
            _share_probes(source, folder, epoch)

    columns = {"parent_id": parent.id, "parent_epoch": epoch, "parent_step": checkpoint.step, "step": checkpoint.step, "epoch": float(epoch)}
    line = f"forked from {parent.id} ({parent.name}) after epoch {epoch}"
    return store.create(config, request_id=request_id, columns=columns | dict(held or {}), line=line, fill=fill)


def _share_probes(source: Path, folder: Path, epoch: int) -> None:
    """Link or copy the probe predictions up to the fork, so that the epoch slider starts at the parent's start."""
    (folder / "probes").mkdir()
    for path in sorted((source / "probes").glob("*.npz")):
        number = path.stem.rpartition("_")[2]
        if not number.isdigit() or int(number) <= epoch:
            link_or_copy(path, folder / "probes" / path.name)


def ancestors(store: RunStore, run: Run) -> list[tuple[Run, int]]:
    """(parent, last step that the run shares with it), nearest first; ends at a parent that was deleted or that this version cannot read."""
    found: list[tuple[Run, int]] = []
    seen = {run.id}
    while run.parent and run.parent not in seen and (parent := store.find(run.parent)):
        found.append((parent, min([run.parent_step or 0, *(step for _, step in found)])))
        seen.add(parent.id)
        run = parent
    return found


def past_of(store: RunStore, run: Run) -> pandas.DataFrame:
    """Scalars of a fork's parents up to the fork, with the columns of ``RunStore.scalars``; no rows for a run without a parent."""
    import pandas

    parts = []
    since = 0
    for parent, until in reversed(ancestors(store, run)):  # oldest first; each contributes its own rows
        rows = store.scalars(parent.id)
        parts.append(rows[(rows["step"] > since) & (rows["step"] <= until) & ~rows["key"].str.startswith("test/")])
        since = until
    return pandas.concat(parts, ignore_index=True) if parts else store.scalars(run.id).iloc[:0]


def children(store: RunStore, run_id: str) -> list[Run]:
    """Runs forked from this one, oldest first."""
    return store.children(run_id)[::-1]
