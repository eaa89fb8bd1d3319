"""RunConfig: the complete description of a run, read from and written to YAML.

Everything random in a run is derived from ``seed`` here (and ``data.seed`` for how a data set is composed), so the same config on
the same machine gives the same numbers. A part (data source, backbone, ...) is written as its ``name`` and its options side by side::

    backbone: {name: small_cnn, width: 32}

The options are checked against the part's own ``Options`` model when the part is looked up (``mtl_core.training.check``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mtl_core.config_sections import (
    STORED,
    AugmentationConfig,
    BackboneConfig,
    DataConfig,
    OptimizerConfig,
    PartConfig,
    ScheduleConfig,
    Strict,
    TaskConfig,
    bounded_weight,
)
from mtl_core.errors import ConfigError, Problem
from mtl_core.names import task_name_problem
from mtl_core.plain_yaml import LONGEST, read_yaml, sort_of, why_unread, write_yaml
from mtl_core.registry import validated

MOST_TASKS = 1000  # each has a head, curves and a slider

# Keys whose value is a part, given by name.
PARTS = (["data"], ["data", "preprocessing", "denoise"], ["backbone"], ["sharing"], ["balancing"], ["update"])


class ChangeConfig(Strict):
    """A live change of a setting. A run with changes in its config replays them at the same steps."""

    step: int = Field(ge=0, description="Optimizer steps done when it was changed: it holds from the step after.")
    key: str = Field(description="'tasks.<task>.loss_weight' or 'optimizer.lr'.")
    value: float = Field(description="What it was set to.")

    @field_validator("value")
    @classmethod
    def _value_isbounded_weight(cls, value: float, info: ValidationInfo) -> float:
        return bounded_weight(value, info) if str(info.data.get("key")).startswith("tasks.") else value


class RunConfig(Strict):
    """Everything that decides what a run does.

    Raises:
        ConfigError: from the constructors below, naming every unknown, invalid or contradictory key.
    """

    name: str = Field("", max_length=120, description="Title of the run; empty for one made from its settings.")
    data: DataConfig = Field(description="The data set by name, with its options, e.g. {name: digits}.")
    tasks: dict[str, TaskConfig] = Field(description="Tasks to train together, by the data set's task names. Another order gives other numbers.")
    backbone: BackboneConfig = Field(
        description="The network that the tasks share, by name, with its options, e.g. {name: small_cnn}; what it begins with, what is trained."
    )
    sharing: PartConfig = Field(PartConfig(name="hard"), description="How the tasks share the network.")
    balancing: PartConfig = Field(PartConfig(name="fixed"), description="How the tasks' losses or gradients are combined.")
    update: PartConfig = Field(
        PartConfig(name="joint"), description="How a step changes the network: all tasks in one update, or each on its own copy."
    )
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    select_by: list[str] = Field(
        default_factory=list,
        description="Tasks whose metrics on val choose the best checkpoint; empty for all but self-supervised tasks, tasks of loss weight 0 and "
        "tasks that are not trained to the end.",
    )
    epochs: int = Field(10, ge=1, le=10_000, description="Passes over the training split.")
    batch_size: int = Field(64, ge=1, le=8192, description="Images per step.")
    accumulate: int = Field(
        1,
        ge=1,
        le=1024,
        description="Parts of a batch that pass through the network one after another before one update, so that only one part's activations are in "
        "memory. batch_size counts the images of all parts. The update is that of the whole batch under every balancing method; batch "
        "normalisation and dropout work on each part. Costs one more forward pass, with gradient methods one more for each task.",
    )
    gradient_clip: float | None = Field(
        None, gt=0, description="Largest norm of the gradient, cut after the balancing method has combined the tasks; empty for no limit."
    )
    gradient_clip_over: Literal["all", "shared"] = Field(
        "all",
        description="What gradient_clip measures and cuts. 'all': one norm over shared network and heads, so a task with large gradients in its head "
        "shortens the shared network's step too. 'shared': the shared network alone; heads are not cut. Coefficients shown are from before the cut.",
        json_schema_extra={"words": {"all": "Shared network and heads", "shared": "Shared network alone"}},
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of weights, order of images and augmentation.")
    device: Literal["auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4", "cuda:5", "cuda:6", "cuda:7", "mps"] = Field(
        "auto",
        description="'auto' takes a GPU where there is one, the first that is free. 'cuda' is the first GPU, 'cuda:1' the second. Each device has "
        "a queue of its own: runs on two devices train side by side, runs on one device one after another.",
        json_schema_extra={"words": {"auto": "Auto", "cpu": "CPU", "cuda": "NVIDIA GPU (cuda)", "mps": "Apple GPU (mps)"}},
    )
    devices: Annotated[int, Field(ge=1, le=64)] | Literal["all"] = Field(
        1,
        description="Devices that train this run together, each on its part of every batch; batch_size counts the images of all. 'all' takes every "
        "GPU. On a CPU: processes that divide the cores. Measured on two busy cores, two of them took 0.3 (an MLP) to 1.8 (a small CNN) times as "
        "many steps a second as one.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="'bf16' runs the network in autocast; 'auto' measures a few steps in fp32 and bf16 on this machine and remembers the faster. "
        "'fp16' is for GPUs without bf16: autocast with a loss scale that adapts itself; a step whose gradient overflows is skipped and counted in "
        "the log, and balancing methods see gradients without the scale.",
    )
    layout: Literal["auto", "contiguous", "channels_last"] = Field("auto", description="Memory order of images and weights; 'auto' as for precision.")
    on_non_finite: Literal["stop", "skip"] = Field(
        "stop",
        description="When a loss or gradient is NaN or infinite: 'stop' ends the run and names task and step; 'skip' leaves out that step "
        "(looked for at every step, which costs a little on a GPU) and gives up after ten in a row.",
    )
    keep_checkpoints: int = Field(
        10, ge=0, le=1000, description="Epochs whose checkpoint is kept to fork from, spread evenly over the run, beside the best and the last two."
    )
    keep_best_of_tasks: bool = Field(True, description="Keep the checkpoint of each task's best epoch on val, beside the one for all tasks.")
    probe_samples: int = Field(16, ge=1, le=64, description="Validation images predicted and kept at every epoch.")

    conflict_every: int = Field(
        50,
        ge=0,
        le=100_000,
        description="Steps between two measurements of the angles between the tasks' gradients on the shared parameters (a backward pass per task; "
        "methods that have these gradients give them at every step). 0 for never.",
    )
    affinity_every: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Steps between two measurements of affinity: how much a step for one task alone would change every task's loss on the same "
        "images (a backward and a forward pass per task). It says which tasks may share a network. 0 for never.",
    )
    gradient_norms: bool = Field(
        True,
        description="Measure at every step how large each task's gradient at the shared features is. Where the sharing scheme has none: on the "
        "shared parameters, whenever the angles are measured.",
    )
    changes: list[ChangeConfig] = Field(default_factory=list, description="Settings changed while it trained, in order; replayed at the same steps.")

    @model_validator(mode="after")
    def _tasks_have_images(self) -> RunConfig:
        """Write the run's tasks into a disjoint partition, so that a fork, a clone or a baseline with fewer tasks keeps each task's images."""
        partition = self.data.partition
        if partition.kind == "disjoint":
            among = list(dict.fromkeys(partition.among or self.tasks))
            left_out = [name for name in self.tasks if name not in among]
            if left_out:
                raise ValueError(
                    f"data.partition.among: the images are divided among {_listed(among)}, so {_listed(left_out)} would get none; "
                    "add it there, or leave 'among' empty to divide them among this run's tasks"
                )
            self.data = self.data.model_copy(update={"partition": partition.model_copy(update={"among": among})})
        return self

    @model_validator(mode="after")
    def _tasks_make_sense(self) -> RunConfig:
        if not self.tasks:
            raise ValueError("tasks: expected at least one task, found none; add one, e.g. 'tasks: {digit: {}}'")
        if len(self.tasks) > MOST_TASKS:
            raise ValueError(f"tasks: expected at most {MOST_TASKS:,} tasks, found {len(self.tasks):,}; leave some out")
        for name in self.tasks:  # runs made before the rule keep their names; check.problems refuses them for new runs
            if not name or any(character in "./\\" or not character.isprintable() for character in name):
                raise ValueError(f"tasks: {task_name_problem(name)}")
        if all(task.loss_weight == 0 for task in self.tasks.values()):
            raise ValueError("tasks: every loss_weight is 0, so nothing would be learnt; give at least one task a positive loss_weight")
        unknown = [name for name in self.select_by if name not in self.tasks]
        if unknown:
            raise ValueError(f"select_by: '{unknown[0]:.60}' is not a task of this run; expected some of {', '.join(self.tasks)}")
        self._check_epochs()
        if self.changes:
            self.at_step(max(change.step for change in self.changes))
        return self

    def trains(self, epoch: int) -> list[bool]:
        """Per task, in order: whether it is trained in ``epoch`` (1 is the first)."""
        return [task.start_epoch <= epoch <= (task.stop_epoch or self.epochs) for task in self.tasks.values()]

    def _check_epochs(self) -> None:
        for name, task in self.tasks.items():
            if task.stop_epoch is not None and task.stop_epoch < task.start_epoch:
                raise ValueError(f"tasks.{name}: stop_epoch {task.stop_epoch} is before start_epoch {task.start_epoch}; it would never be trained")
            if task.start_epoch > self.epochs:
                raise ValueError(
                    f"tasks.{name}: start_epoch {task.start_epoch} is after the run's last epoch, {self.epochs}; it would never be trained"
                )
        edges = {edge for task in self.tasks.values() for edge in (task.start_epoch, (task.stop_epoch or self.epochs) + 1)}
        idle = [epoch for epoch in sorted({1, *edges}) if epoch <= self.epochs and not any(self.trains(epoch))]
        if idle:
            raise ValueError(
                f"tasks: no task is trained in epoch {idle[0]}; give one a later stop_epoch or an earlier start_epoch, or take fewer epochs"
            )

    @classmethod
    def from_dict(cls, values: Any) -> RunConfig:
        """Checked config from plain values, as YAML or JSON give them."""
        if not isinstance(values, dict):
            raise ConfigError(f"a config must be a mapping of keys such as data, tasks, backbone; found {sort_of(values)}")
        return validated(cls, values, "")  # type: ignore[return-value]

    @classmethod
    def from_stored(cls, values: Any) -> RunConfig:
        """The config of a stored run. Keys of augmentations that are no longer installed stay readable in it, but it cannot be trained."""
        return validated(cls, values, "", context=STORED)  # type: ignore[return-value]

    @classmethod
    def from_yaml(cls, text: str) -> RunConfig:
        """Checked config from YAML text."""
        return cls.from_dict(read_yaml(text))

    @classmethod
    def from_file(cls, path: str | Path) -> RunConfig:
        """Checked config from a YAML file."""
        try:
            with Path(path).open(encoding="utf-8") as file:
                values = read_yaml(file.read(LONGEST + 1), aliases=True)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"cannot read the config file '{path}': {why_unread(error)}. Give the path of a YAML file in UTF-8, or --preset NAME."
            ) from None
        except ConfigError as error:
            raise ConfigError(f"the config file '{path}': {error}") from None
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with every default."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """YAML that ``from_yaml`` reads back to an equal config."""
        return write_yaml(self.to_dict())

    def with_overrides(self, assignments: Iterable[str]) -> RunConfig:
        """A new config with ``key.path=value`` assignments applied; a value is read as YAML, ``null`` under ``tasks`` removes a task."""
        values = self.to_dict()
        for assignment in assignments:
            key, separator, text = assignment.partition("=")
            if not separator or not key.strip():
                raise ConfigError(f"'{assignment}' is not of the form key=value, e.g. optimizer.lr=0.01")
            _assign(values, key.strip(), read_yaml(text))
        if isinstance(values["tasks"], dict):
            removed = tuple(f"tasks.{name}." for name, task in values["tasks"].items() if task is None)
            values["tasks"] = {name: task for name, task in values["tasks"].items() if task is not None}
            if removed and isinstance(values["changes"], list):  # the live changes of a removed task are removed too
                values["changes"] = [each for each in values["changes"] if not _key_of(each).startswith(removed)]
            if isinstance(values["select_by"], list):  # a removed task no longer chooses the best checkpoint
                values["select_by"] = [name for name in values["select_by"] if name in values["tasks"] or name not in self.tasks]
        return type(self).from_dict(values)

    def at_step(self, step: int) -> RunConfig:
        """The config with the live changes up to ``step`` applied and later changes dropped.

        Raises:
            ValueError: a change has a key that cannot be changed, or a value out of range.
        """
        tasks = {name: task.model_copy() for name, task in self.tasks.items()}
        optimizer = self.optimizer.model_copy()
        for change in sorted(self.changes, key=lambda change: change.step):
            if change.step <= step:
                _apply_change(change, tasks, optimizer)
        return self.model_copy(update={"tasks": tasks, "optimizer": optimizer, "changes": []})

    def with_change(self, step: int, key: str, value: float) -> RunConfig:
        """The config with one more live change appended.

        Raises:
            ConfigError: the key cannot be changed, or the value is out of range.
        """
        values = self.to_dict()
        values["changes"] = [*values["changes"], {"step": step, "key": key, "value": value}]
        return type(self).from_dict(values)

    @property
    def imported_set(self) -> str:
        """The name that the run's data set got at its import; empty for other data."""
        return str(self.data.options.get("set") or "") if self.data.name == "imported" else ""

    def title(self) -> str:
        """``name``, or a title made from the settings."""
        if self.name:
            return self.name
        tasks = " + ".join(self.tasks) if len(self.tasks) <= 3 else f"{len(self.tasks)} tasks"
        return f"{self.data.own_name}: {tasks} ({self.backbone.name}, {self.balancing.name})"


def _listed(names: list[str]) -> str:
    """The first names of a list, and how many follow."""
    return ", ".join(names[:20]) + (f" and {len(names) - 20:,} others" if len(names) > 20 else "")


def task_of(key: str) -> str:
    """The task name in a key ``tasks.NAME.loss_weight``."""
    return key.removeprefix("tasks.").removesuffix(".loss_weight")


def _key_of(change: Any) -> str:
    return str(change.get("key", "")) if isinstance(change, dict) else ""


def _apply_change(change: ChangeConfig, tasks: dict[str, TaskConfig], optimizer: OptimizerConfig) -> None:
    changeable = ["optimizer.lr", *(f"tasks.{name}.loss_weight" for name in tasks)]
    if change.key not in changeable:
        raise ValueError(f"changes: '{change.key}' cannot be changed while a run trains. What can: {', '.join(changeable)}")
    if change.key == "optimizer.lr":
        if not 0 < change.value <= 10:
            raise ValueError(f"changes: optimizer.lr must be above 0 and at most 10, found {change.value:g}")
        optimizer.lr = change.value
        return
    if change.value < 0:
        raise ValueError(f"changes: {change.key} must be 0 or more, found {change.value:g}")
    tasks[task_of(change.key)].loss_weight = change.value
    if all(task.loss_weight == 0 for task in tasks.values()):
        raise ValueError(f"changes: with {change.key} at 0 every loss_weight is 0, so nothing would be learnt; leave one task a positive one")


def _assign(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key. A new part name drops the options of the old part, because they would not fit."""
    *parents, last = key.split(".")
    node = values
    for depth, part in enumerate(parents):
        if node.get(part) is None:  # an empty section, such as a task's own optimizer, starts from its defaults
            node[part] = {}
        node = node[part]
        if not isinstance(node, dict):
            raise ConfigError(Problem(".".join(parents[: depth + 1]), f"is a single value, so '{key}' cannot be set inside it"))
    if last == "name" and parents in PARTS and node.get("name") != value:
        node.clear()
    node[last] = value
