"""The sections of a run's config: data, tasks, optimizer, schedule, augmentation and live changes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

if TYPE_CHECKING:
    from pydantic.config import JsonDict


class Strict(BaseModel):
    """A section that rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True)


LARGEST_LOSS_WEIGHT = 1_000_000  # float32 gradients lose the other tasks beside a larger one, and overflow soon after
STORED = {"stored": True}  # validation context of a config that was checked when it was written, perhaps with packages that are no longer installed
RESIZED: JsonDict = {"resize": ["stretch", "pad", "crop"]}


class PartConfig(BaseModel):
    """A registered part by name; every further key is one of that part's options."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    name: str = Field(description="Name in the part's table.")

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside ``name``."""
        return dict(self.model_extra or {})


class PreprocessingConfig(Strict):
    """Preprocessing of every image, applied once and in this order before training; boxes, masks and depth are adapted to the new size."""

    denoise: PartConfig = Field(default=PartConfig(name="none"), description="How noise is removed from the images, at the size they come in.")
    colour: Literal["as_is", "grey", "colour"] = Field(
        default="as_is",
        description="'grey': one channel, by Rec. 601 luma; 'colour': three channels, of a grey image three equal ones.",
        json_schema_extra={"words": {"as_is": "As they are", "grey": "Grey", "colour": "Three channels"}},
    )
    resize: Literal["none", "stretch", "pad", "crop"] = Field(
        default="none",
        description="To another size. 'stretch' changes the proportions; 'pad' keeps them and adds bars that count for nothing; 'crop' keeps them "
        "and cuts off what is too long, evenly at both ends.",
        json_schema_extra={"words": {"none": "Keep the size", "stretch": "Stretch", "pad": "Pad", "crop": "Crop"}},
    )
    height: int = Field(default=64, ge=8, le=1024, description="New height.", json_schema_extra={"unit": "pixels", "shown_when": RESIZED})
    width: int = Field(default=64, ge=8, le=1024, description="New width.", json_schema_extra={"unit": "pixels", "shown_when": RESIZED})
    standardise: Literal["channels", "together", "none"] = Field(
        default="channels",
        description="Subtract the mean and divide by the spread, both measured on the training images only: of each channel, or of all channels "
        "'together', which keeps colours apart as they were; 'none' leaves values between 0 and 1.",
        json_schema_extra={"words": {"channels": "Each channel", "together": "All channels together", "none": "Not at all"}},
    )

    @property
    def changes_images(self) -> bool:
        """Whether the prepared images differ from the data set's images."""
        return self.denoise != PartConfig(name="none") or self.colour != "as_is" or self.resize != "none"


class PartitionConfig(Strict):
    """Which images are labelled for which task."""

    kind: Literal["shared", "disjoint"] = Field(
        default="shared",
        description="'shared': every image keeps the targets it has for every task. 'disjoint': each image of train, val and test keeps its target "
        "for one task only, so that each task has images of its own, with a train, val and test part.",
        json_schema_extra={"words": {"shared": "Shared: all images for all tasks", "disjoint": "Disjoint: images of its own for each task"}},
    )
    among: list[str] = Field(
        default_factory=list,
        description="Tasks that the images are divided among when 'disjoint'; empty for the run's own. Written out when the run is made, so "
        "that the same run with fewer tasks keeps each task's images.",
    )
    seed: int = Field(
        default=0, ge=0, lt=2**31, description="Which images each task gets, and which keep their label where only a share of them does."
    )


class DataConfig(PartConfig):
    """A data set by name with its options, its preprocessing, and the partition of its images among the tasks."""

    preprocessing: PreprocessingConfig = PreprocessingConfig()
    partition: PartitionConfig = PartitionConfig()

    @property
    def own_name(self) -> str:
        """The data set's name for people: ``name``, or for an imported set the name given at the import."""
        return str(self.options.get("set") or self.name) if self.name == "imported" else self.name


class BackboneConfig(PartConfig):
    """A backbone by name with its options, the weights that it begins with, and what of it is trained."""

    weights: Literal["none", "pretrained", "file", "run"] = Field(
        "none",
        description="What the backbone begins with: 'none': random values; 'pretrained': published weights, fetched once when the run starts, unless "
        "a Python package holds them; 'file': a safetensors or PyTorch file; 'run': the backbone of another run's best checkpoint. Images are "
        "normalised as the weights were trained.",
        json_schema_extra={"words": {"none": "Random", "pretrained": "Published weights", "file": "A file", "run": "Another run"}},
    )
    weights_file: str = Field(
        "",
        max_length=4096,
        description="A .safetensors, .pt or .pth file with every tensor of the backbone, by its own or its published names.",
        json_schema_extra={"path": True, "shown_when": {"weights": ["file"]}},
    )
    weights_run: str = Field(
        "", max_length=120, description="Id of the other run. It must have the same backbone.", json_schema_extra={"shown_when": {"weights": ["run"]}}
    )
    freeze: Literal["none", "all", "stages"] = Field(
        "none",
        description="What of the backbone keeps the values that it begins with: nothing, all of it, or its first stages. Its batch normalisation and "
        "dropout stay as in evaluation.",
        json_schema_extra={"words": {"none": "Nothing", "all": "All of it", "stages": "Its first stages"}},
    )
    freeze_stages: int = Field(
        1, ge=1, le=64, description="How many of the first stages are frozen.", json_schema_extra={"shown_when": {"freeze": ["stages"]}}
    )
    freeze_epochs: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Last epoch in which they are frozen; empty for the run's last.",
        json_schema_extra={"shown_when": {"freeze": ["all", "stages"]}},
    )
    lr_factor: float = Field(1.0, gt=0, le=10, description="Factor on the learning rate of the backbone; heads have the whole one.")
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Further factor on the learning rate for every stage before the last: a stage has it once for each stage that follows.",
    )

    @model_validator(mode="after")
    def _weights_are_named(self) -> BackboneConfig:
        for place in ("file", "run"):
            key, given = f"weights_{place}", getattr(self, f"weights_{place}")
            if self.weights == place and not given.strip():
                raise ValueError(f"{key} is empty, but weights is '{place}'; give {'the path of a file' if place == 'file' else 'the id of a run'}")
        return self

    def is_frozen(self, epoch: int) -> bool:
        """Whether ``freeze`` holds in an epoch (1 is the first)."""
        return self.freeze != "none" and (self.freeze_epochs is None or epoch <= self.freeze_epochs)

    def network(self) -> dict[str, Any]:
        """Name and options: what decides the network's tensors."""
        return {"name": self.name, **self.options}


class OptimizerConfig(Strict):
    """How parameters are updated."""

    name: Literal["adam", "adamw", "sgd"] = Field(
        default="adamw", description="Update rule of torch.optim.", json_schema_extra={"words": {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}}
    )
    lr: float = Field(default=2e-3, gt=0, le=10, description="Learning rate at its highest point.")
    weight_decay: float = Field(default=1e-4, ge=0, le=1, description="Decay of the weights (not of biases, norms or balancing parameters).")
    momentum: float = Field(
        default=0.9, ge=0, lt=1, description="Momentum of sgd; the Adam family ignores it.", json_schema_extra={"shown_when": {"name": ["sgd"]}}
    )


class TaskConfig(BaseModel):
    """One task of the run. Further keys are options of the task's kind."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    loss_weight: float = Field(1.0, ge=0, description=f"Factor on this task's loss, before any balancing method; at most {LARGEST_LOSS_WEIGHT:,}.")
    label_fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of this task's training targets that is used, with all classes in proportion; the other images count for nothing in "
        "this task. val and test keep all of theirs.",
    )
    optimizer: OptimizerConfig | None = Field(
        None,
        description="The task's own optimizer and learning rate, for what only this task uses (its head); under 'update: task_vectors' for its "
        "copy of the shared network too. Empty for the run's.",
    )
    geometry: Literal["", "whole", "count", "x", "y", "share_x", "share_y", "tilt", "length", "area"] = Field(
        "",
        description="What a number is in a picture that is moved, where the data set doesn't say: 'whole' if it does not depend on where things are "
        "and how large; 'x', 'y' a place in pixels, 'share_x', 'share_y' in shares of the picture; 'tilt' degrees against the vertical; 'length', "
        "'area' in pixels; 'count' a number of things.",
    )
    frozen: bool = Field(
        False,
        description="What only this task uses (its head) keeps its values, and its normalisation stays as in evaluation. For a fork that adds "
        "a task to a trained network.",
    )
    start_epoch: int = Field(1, ge=1, le=10_000, description="Epoch in which the task begins to be trained; 1 is the first.")
    stop_epoch: int | None = Field(None, ge=1, le=10_000, description="Last epoch in which it is trained; empty for the run's last.")
    selection_weight: float = Field(
        1.0, gt=0, le=1000, description="Factor on its metric where the task is among those that choose the best checkpoint (select_by)."
    )
    selection_floor: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Least value on val that the best checkpoint may have in this task, in select_by or not; in the metric that chooses, of which 1 "
        "is perfect. If no epoch reaches every floor, the one that misses them least is chosen. Empty for no floor.",
    )

    @field_validator("loss_weight")
    @classmethod
    def _weight_isbounded_weight(cls, value: float, info: ValidationInfo) -> float:
        return bounded_weight(value, info)

    @property
    def options(self) -> dict[str, Any]:
        """The keys that belong to the task kind."""
        return dict(self.model_extra or {})


class ScheduleConfig(Strict):
    """The learning rate's course over the run."""

    name: Literal["constant", "cosine"] = Field(default="cosine", description="'cosine' falls to 1 % of lr at the last step.")
    warmup_fraction: float = Field(default=0.05, ge=0, le=0.5, description="Share of all steps in which the learning rate rises linearly to lr.")


AUGMENTATIONS = "mtl_core.data.augmentation"  # the package with the table of augmentations


class AugmentationConfig(Strict):
    """Random changes of the training images, drawn per image; boxes, masks and depth are changed with them.

    An augmentation with ``Options`` adds the keys of its options to these fields, whether it is of this project or of an installed package. A config
    has the keys of such an augmentation only if one of them differs from its default, so that a new augmentation changes no config.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, validate_default=True)  # "allow": see ``_with_added``
    shift: int = Field(default=0, ge=0, le=32, description="Largest shift in pixels, in x and in y; the border is repeated.")
    flip: bool = Field(default=False, description="Mirror left-right with probability 1/2. Not for digits: it changes what they are.")
    brightness: float = Field(default=0.0, ge=0, le=1, description="Largest change of brightness, as a share of the full range.")
    contrast: float = Field(default=0.0, ge=0, le=1, description="Largest relative change of contrast.")
    saturation: float = Field(default=0.0, ge=0, le=1, description="Largest relative change of saturation; nothing for grey images.")
    crop: float = Field(
        default=0.0,
        ge=0,
        le=0.9,
        description="Largest share of height and width that is cut away; what is left is enlarged to the whole. Depth gets nearer.",
    )
    rotation: float = Field(
        default=0.0, ge=0, le=180, description="Largest turn to either side; the border is repeated.", json_schema_extra={"unit": "degrees"}
    )
    scale: float = Field(
        default=0.0, ge=0, le=0.5, description="Largest relative change of size, about the centre, larger or smaller. Depth follows."
    )
    cutout: float = Field(
        default=0.0,
        ge=0,
        le=0.75,
        description="Side of a square that is blanked out, as a share of the shorter side. What lies under it counts for nothing.",
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="Images are laid over each other, with a share drawn from Beta(a, a); this is a. For whole-image targets only.",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _with_added(cls, values: Any, handler: ModelWrapValidatorHandler, info: ValidationInfo) -> Any:
        """Validate the keys of augmentations with ``Options``; report other foreign keys as unknown."""
        foreign = {key: value for key, value in values.items() if key not in cls.model_fields} if isinstance(values, dict) else {}
        if not foreign:
            return handler(values)
        ours, problems = {key: value for key, value in values.items() if key in cls.model_fields}, []
        for model in _added_options():
            own = {key: foreign.pop(key) for key in [*foreign] if key in model.model_fields}
            try:
                options = model.model_validate(own)
            except ValidationError as error:
                problems += _lines(error)
            else:
                ours |= {} if options == model() else options.model_dump()
        if info.context == STORED:
            ours |= foreign
        else:
            problems += [InitErrorDetails(type="extra_forbidden", loc=(key,), input=value) for key, value in foreign.items()]
        try:
            config = handler(ours)
        except ValidationError as error:
            problems = _lines(error) + problems
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return config

    @classmethod
    def added_keys(cls) -> list[str]:
        """Keys of augmentations with ``Options``. Imports them."""
        return [key for model in _added_options() for key in model.model_fields]

    @classmethod
    def with_added(cls) -> type[BaseModel]:
        """A model for forms: these fields, then those of augmentations with ``Options``; this class if there are none."""
        fields: dict[str, Any] = {key: (info.annotation, info) for model in _added_options() for key, info in model.model_fields.items()}
        return create_model(cls.__name__, __base__=cls, **fields) if fields else cls

    def missing(self) -> list[str]:
        """Keys of augmentations that are no longer installed; only a stored run can have them."""
        return [key for key in self.model_extra or {} if key not in self.added_keys()]


def _added_options() -> list[type[BaseModel]]:
    parts = import_module(AUGMENTATIONS).added()  # by its name, because that package is above this module
    return [part.options_model() for part in parts if hasattr(part, "options_model")]


def _lines(error: ValidationError) -> list[InitErrorDetails]:
    """The lines of an error, in the form in which they can be raised together with others."""
    return [
        InitErrorDetails(
            type=PydanticCustomError(cast("Any", line["type"]), cast("Any", line["msg"].replace("{", "{{")), line.get("ctx")),
            loc=line["loc"],
            input=line["input"],
        )
        for line in error.errors(include_url=False)
    ]


def bounded_weight(value: float, info: ValidationInfo) -> float:
    """A loss weight within the bound. Runs stored before there was a bound stay readable."""
    if value > LARGEST_LOSS_WEIGHT and info.context != STORED:
        raise ValueError(
            f"expected at most {LARGEST_LOSS_WEIGHT:,}, found {value:g}; only the ratio of the tasks' weights matters, so lower those of the others"
        )
    return value
