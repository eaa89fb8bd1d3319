"""Two ranks on the CPU, for all tests of several devices: one process imports torch once, then forks both. They go through the cases in turn.

``python tests/training/rank_pair.py FOLDER CACHE`` writes what each rank found to ``FOLDER/rank_0.pt`` and ``FOLDER/rank_1.pt``: for each case its
``found`` (see ``steps_of``), and what became of each run in ``runs``.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torchvision.ops import StochasticDepth

from mtl_core.balancing import BALANCERS
from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.config import RunConfig
from mtl_core.errors import TrainingError
from mtl_core.events import Control, Paused, StepScalars
from mtl_core.randomness import Generators
from mtl_core.ranks import ALONE, Ranks
from mtl_core.training.build import build
from mtl_core.training.parts import resolve
from mtl_core.training.several_devices.connected_ranks import ConnectedRanks
from mtl_core.training.several_devices.shared_control import SharedControl
from mtl_core.training.several_devices.whole_batch import use_whole_batch
from mtl_core.training.step import OverflowedStep
from mtl_core.training.trainer import train_as

STEPS = 3
CONFIG = {
    "data": {"name": "digit_scenes", "train_size": 64, "val_size": 6, "test_size": 4, "max_digits": 2, "image_size": 32},
    # Few labels: a rank's four images often have none of a task whose other images have, see test_labels_are_absent_on_one_rank_only.
    "tasks": {"present": {"loss_weight": 2.0}, "count": {"label_fraction": 0.2}, "count_class": {"label_fraction": 0.4}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "optimizer": {"name": "sgd", "lr": 0.05},
    "epochs": 3,
    "batch_size": 8,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 1,
    "conflict_every": 2,
    "device": "cpu",
}
MAPS = {"tasks": {"present": {}, "boxes": {"label_fraction": 0.3}, "segments": {}, "depth": {}}, "backbone": {"name": "small_cnn", "width": 8}}
SPECIAL: dict[str, dict[str, Any]] = {
    "normalisation": MAPS,
    "normalisation, method at the parameters": {**MAPS, "balancing": {"name": "pcgrad"}},
    "normalisation, method at the features": {**MAPS, "balancing": {"name": "mgda", "gradients": "features"}},
    "normalisation, AdamW, clipping, affinity": {**MAPS, "optimizer": {"name": "adamw"}, "gradient_clip": 0.1, "affinity_every": 2},
    "normalisation, method by blocks": {**MAPS, "balancing": {"name": "pcgrad", "gradients": "blocks"}},
    "few labels, method by blocks": {"balancing": {"name": "nash_mtl", "gradients": "blocks"}},
    "augmentation": {**MAPS, "augmentation": {"shift": 2, "contrast": 0.3, "rotation": 20, "cutout": 0.3}},
    "dropout": {"backbone": {"name": "lenet", "dropout": 0.5}},
    "steps that may be skipped": {"on_non_finite": "skip"},
    "self-supervised": {"tasks": {"present": {}, "rotation": {}, "jigsaw": {}, "reconstruction": {}}, "backbone": {"name": "small_cnn", "width": 8}},
    "soft sharing": {"sharing": {"name": "cross_stitch"}},
    "soft sharing, method by blocks": {"sharing": {"name": "cross_stitch"}, "balancing": {"name": "gradnorm", "gradients": "blocks"}},
    "batches in parts": {"accumulate": 2, "balancing": {"name": "mgda", "gradients": "features"}},
    "one task": {"tasks": {"present": {}}},
    "one task at the features": {"tasks": {"present": {}}, "balancing": {"name": "mgda", "gradients": "features"}},
}
# Which remembers two epochs. Without boxes, whose assignment turns a rounding error into another number.
RUN = {
    **CONFIG,
    **MAPS,
    "tasks": {"present": {}, "segments": {}, "depth": {}},
    "balancing": {"name": "dwa"},
    "optimizer": {"name": "sgd", "lr": 0.02},
}


def cases() -> dict[str, RunConfig]:
    """Every balancing method; those at the features that need more than scalar products, and one that does not; what else adds up over the ranks."""
    found = {name: {"balancing": {"name": name}} for name in BALANCERS}
    for name in BALANCERS:
        method = BALANCERS.load(name)
        reads_rows = not issubclass(method, GramianAggregator) or method.factors is not GramianAggregator.factors
        if "gradients" in method.Options.model_fields and (reads_rows or name == "pcgrad"):
            found[f"{name} at the features"] = {"balancing": {"name": name, "gradients": "features"}}
    return {name: RunConfig.from_dict({**CONFIG, **changes}) for name, changes in (found | SPECIAL).items()}


def steps_of(config: RunConfig, cache: Path, ranks: Ranks = ALONE, is_normalising: bool = True, steps: int = STEPS) -> list[dict[str, Any]]:
    """The first steps: what each gives to the curves, and the network, the method's state and the random state after it.

    Args:
        is_normalising: batch normalisation takes mean and variance of the images, not its running means.
        steps: how many.
    """
    setup = build(resolve(config), cache, ranks=ranks)
    for module in setup.network.model.train().modules():
        if isinstance(module, torch.nn.BatchNorm2d) and not is_normalising:
            module.eval()
    found = []
    for number, batch in zip(range(1, steps + 1), setup.run.train_batches.epoch(0), strict=False):
        with setup.drawing():
            result = setup.update(batch, number)
        found.append(
            {
                "losses": result.losses,
                "present": result.present,
                "combined": result.combined,
                "coefficients": result.coefficients,
                "extras": dict(result.extras),
                "network": {name: tensor.clone() for name, tensor in setup.network.model.state_dict().items()},
                "method": {name: value for name, value in setup.network.balancer.state_dict().items() if torch.is_tensor(value)},
                "random": setup.progress.random.state()["cpu"],
                "labelled": {name: int(flags.sum()) for name, flags in batch.labelled.items()},
                "images": batch.index,
            }
        )
    return found


_whole: dict[tuple[str, Path, bool, int], list[dict[str, Any]]] = {}


def steps_alone(config: RunConfig, cache: Path, is_normalising: bool = True, steps: int = STEPS) -> list[dict[str, Any]]:
    """``steps_of`` in one process, computed once for all who compare with it. Only convolutional networks have batch normalisation here."""
    key = (config.model_dump_json(), cache, is_normalising or config.backbone.name != MAPS["backbone"]["name"], steps)
    if key not in _whole:
        _whole[key] = steps_of(config, cache, is_normalising=is_normalising, steps=steps)
    return _whole[key]


# In fp16: loss weighting with a plain and a weighted pass, gradients at the parameters and at the features, parameters of a method's own, parts.
HALVES: dict[str, dict[str, Any]] = {
    "fixed": {},
    "uncertainty": {"balancing": {"name": "uncertainty"}},
    "pcgrad": {"balancing": {"name": "pcgrad"}},
    "mgda by blocks": {"balancing": {"name": "mgda", "gradients": "blocks"}},
    "mgda at the features": {"balancing": {"name": "mgda", "gradients": "features"}},
    "graddrop at the features": {"balancing": {"name": "graddrop", "gradients": "features"}},
    "batches in parts": SPECIAL["batches in parts"],
    "one task": SPECIAL["one task"],
}
OVERFLOWED_STEP, HALF_STEPS, HALF_SCALE = 2, 4, 2.0**10


def half_steps_of(changes: dict[str, Any], where: str, cache: Path, ranks: Ranks = ALONE) -> list[dict[str, Any]]:
    """The first steps in fp16. In one of them the gradient overflows on the last rank only.

    Args:
        where: ``shared`` or ``own``: a parameter of the shared network, or of the first task's head.
    """
    setup = build(resolve(RunConfig.from_dict({**CONFIG, **changes, "precision": "fp16"})), cache, ranks=ranks)
    model, scale = setup.network.model.train(), setup.network.model.scaling
    scale.value = HALF_SCALE
    overflows: list[bool] = []
    place = model.shared_parameters()[0] if where == "shared" else model.task_parameters(model.tasks[0])[0]
    place.register_hook(lambda gradient: torch.full_like(gradient, float("inf")) if overflows and gradient is not None else gradient)
    found = []
    for number, batch in zip(range(1, HALF_STEPS + 1), setup.run.train_batches.epoch(0), strict=False):
        overflows[:] = [True] if number == OVERFLOWED_STEP and ranks.rank == ranks.size - 1 else []
        said = ""
        try:
            with setup.drawing():
                setup.update(batch, number)
        except OverflowedStep as skipped:
            said = str(skipped)
        method = {name: value.clone() for name, value in setup.network.balancer.state_dict().items() if torch.is_tensor(value)}
        network = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        found.append({"said": said, "scale": scale.state_dict(), "network": network, "method": method})
    return found


def layers_of(ranks: Ranks = ALONE) -> dict[str, Any]:
    """Normalisation and stochastic depth on a rank's part of eight images: outputs and gradients of the images here, and what all ranks add up."""
    generators = Generators(3, ranks=ranks)
    images = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float32) + 50.0  # a mean far from 0
    weights = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3), StochasticDepth(0.5, "row"))
    use_whole_batch(network, ranks, generators)
    own = images[ranks.own(8)].requires_grad_()
    with generators.drawing():
        output = network(own)
    (output * weights[ranks.own(8)]).sum().backward()
    ranks.sum_gradients(network.parameters())
    summed = {name: parameter.grad for name, parameter in network.named_parameters()} | dict(network.named_buffers())
    return {"output": output.detach(), "gradient": own.grad, "summed": summed}


class Asking(Control):
    """Makes requests at the end of some steps."""

    def __init__(self, **at: Any):
        super().__init__()
        self.at = at

    def after(self, step: int) -> None:
        if step == self.at.get("stop"):
            self.stop()
        if step == self.at.get("pause"):
            self.pause()


def run_of(ranks: Ranks, control: Control, live: Asking, folder: Path, cache: Path) -> dict[str, Any]:
    """A whole run: the step at which it ended here, the steps of its pauses, and every curve."""
    folder.mkdir(exist_ok=True)
    scalars: dict[tuple[int, str], float] = {}
    steps, pauses = [], []
    for event in train_as(ranks, RunConfig.from_dict(RUN), folder, cache, control):
        if isinstance(event, Paused):
            pauses.append(event.step)
        if hasattr(event, "scalars"):
            scalars |= {(event.step, key): value for key, value in event.scalars.items()}
        if isinstance(event, StepScalars):
            steps.append(event.step)
            live.after(event.step)
        if isinstance(event, Paused):
            live.proceed()
    return {"last": steps[-1], "pauses": pauses, "scalars": scalars, "files": sorted(path.name for path in folder.iterdir())}


RUNS: dict[str, dict[str, int]] = {"stopped": {"stop": 11, "pause": 5}, "begun by one process": {}}


def _become(rank: int, folder: Path, cache: Path) -> None:
    ranks = ConnectedRanks(rank, 2, folder / "meeting")
    found: dict[str, Any] = {name: steps_of(config, cache, ranks) for name, config in cases().items()}
    runs = {}
    for name, at in RUNS.items():
        live = Asking(**(at if rank == 0 else {}))
        ranks.is_apart = False
        runs[name] = run_of(ranks, SharedControl(live, ranks), live, folder / name, cache)
    ranks.is_apart = False
    network = torch.nn.Linear(2, 1)
    network.weight.data.fill_(1.0 if rank == 0 else 1.0 + 1e-7)
    network.bias.data.zero_()
    try:
        ranks.check_equal(network)
        differs = ""
    except TrainingError as error:
        differs = str(error)
    halves = {(case, where): half_steps_of(HALVES[case], where, cache, ranks) for case in HALVES for where in ("shared", "own")}
    torch.save({"differs": differs, "layers": layers_of(ranks), "found": found, "runs": runs, "halves": halves}, folder / f"rank_{rank}.pt")


def _forked(folder: Path, cache: Path) -> Iterator[int]:
    for rank in range(2):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                torch.set_num_threads(1)
                _become(rank, folder, cache)
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(code)
        yield pid


if __name__ == "__main__":
    import_module("mtl_core.tasks.metrics.metric_library")  # once, not in each rank; so are the balancing methods and what they import
    cases()
    gc.collect()
    gc.freeze()
    pids = list(_forked(Path(sys.argv[1]), Path(sys.argv[2])))
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    os._exit(max(map(abs, codes)))
