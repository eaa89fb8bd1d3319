"""Time of a training step under every balancing method, relative to fixed weights, and beside TorchJD (and LibMTL) called directly.

    python -m benchmarks.step_time.balancing [--backbone resnet18 --batch 8] [--methods mgda cagrad] [--rounds 7] [--write]

All ways take turns in one process, a few steps at a time, on the same batch, so that what else the machine does falls on all of them. Printed are
medians over the rounds of the ratio of CPU time (user + system) to plain steps of the same round. ``--write`` keeps the ratios in
``mtl_core/balancing/costs.json``, which the Train page and the docs show. With ``LIBMTL=<checkout>`` LibMTL's weighting
classes are timed too (``benchmarks/libmtl_checkout.py`` says what they need).
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torchjd import aggregation
from torchjd.autojac import jac_to_grad, mtl_backward

from benchmarks.libmtl_checkout import AT_FEATURES, METHODS, THREE_BATCHES, is_named, libmtl, options_of
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.cost import FILE
from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch
from mtl_core.training.build import Setup, build, build_balancer
from mtl_core.training.execution import tune_allocator
from mtl_core.training.losses import separate_losses, task_losses
from mtl_core.training.optimizers import build_optimizer
from mtl_core.training.parts import balancing_part, resolve

TASKS = {"present": {}, "count": {}, "segments": {}}
OURS = ("parameters", "blocks", "features")  # where the gradients are taken
WAYS = (*OURS, "torchjd", "libmtl")
BACKBONES = {"small_cnn": {"name": "small_cnn", "width": 24}, "resnet18": {"name": "resnet18"}}
TORCHJD: dict[str, Callable[[int], aggregation.Aggregator]] = {
    "pcgrad": lambda _: aggregation.PCGrad(),
    "upgrad": lambda _: aggregation.UPGrad(),
    "dualproj": lambda _: aggregation.DualProj(),
    "mgda": lambda _: aggregation.MGDA(),
    "cagrad": lambda _: aggregation.CAGrad(c=0.4),
    "nash_mtl": lambda tasks: aggregation.NashMTL(n_tasks=tasks),
    "fairgrad": lambda _: aggregation.FairGrad(alpha=2.0),
    "imtl_g": lambda _: aggregation.IMTLG(),
    "config": lambda _: aggregation.ConFIG(),
    "aligned_mtl": lambda _: aggregation.AlignedMTL(),
    "gradvac": lambda _: aggregation.GradVac(beta=0.01),
    "graddrop": lambda _: aggregation.GradDrop(),
    "pcd": lambda _: aggregation.PCD(),
    "excess_mtl": lambda _: aggregation.ExcessMTL(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", choices=list(BACKBONES), default="small_cnn")
    parser.add_argument("--methods", nargs="+", choices=list(BALANCERS), default=list(BALANCERS))
    parser.add_argument("--batch", type=int, default=32, help="images per step")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4, help="steps of one way in one round")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="columns of the table")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    tune_allocator()
    with tempfile.TemporaryDirectory() as cache:
        setup = build(resolve(_config("fixed", arguments)), Path(cache))
        ways = _ways(setup, arguments)
        ratios = measure(ways, arguments.rounds, arguments.steps)
    _print(ratios, arguments)
    if arguments.write:
        _write(ratios, arguments)


def _config(method: str, arguments: argparse.Namespace, **options: Any) -> RunConfig:
    return RunConfig.from_dict(
        {
            "data": {"name": "digit_scenes", "train_size": 256, "val_size": 32, "test_size": 32},
            "tasks": TASKS,
            "backbone": BACKBONES[arguments.backbone],
            "balancing": {"name": method, **options},
            "batch_size": arguments.batch,
            "precision": "fp32",
            "layout": "contiguous",
            "device": "cpu",
        }
    )


def _ways(setup: Setup, arguments: argparse.Namespace) -> dict[tuple[str, str], Callable[[], None]]:
    """(method, "parameters", "blocks", "features", "torchjd" or "libmtl") -> one step."""
    batch = next(iter(setup.run.train_batches.epoch(0)))
    ways: dict[tuple[str, str], Callable[[], None]] = {("plain", ""): our_step(setup, batch, _config("fixed", arguments))}
    for name in arguments.methods:
        field = BALANCERS.load(name).Options.model_fields.get("gradients")
        for place in get_args(field.annotation) if field else ("parameters",):
            ways[name, place] = our_step(setup, batch, _config(name, arguments, **({"gradients": place} if field else {})))
        if name in TORCHJD:
            ways[name, "torchjd"] = torchjd_step(setup, batch, TORCHJD[name](len(TASKS)))
        if is_named() and name in METHODS and METHODS[name] not in AT_FEATURES:  # LibMTL's features are a single tensor, ours several
            ways[name, "libmtl"] = libmtl_step(setup, batch, METHODS[name])
    return {(name, way): step for (name, way), step in ways.items() if name == "plain" or way in arguments.ways}


def our_step(setup: Setup, batch: Batch, config: RunConfig) -> Callable[[], None]:
    """The trainer's step under the config's balancer, on a network of its own."""
    balancer, model = build_balancer(balancing_part(config), len(TASKS)), copy.deepcopy(setup.network.model).train()
    model.split_features = balancer.at_features
    optimizer = build_optimizer(config.optimizer, model, balancer)

    def losses_now() -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            return task_losses(setup.run.kinds, model(batch.images), batch, setup.run.complete)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        losses, present = separate_losses(setup.run.kinds, model(batch.images), batch, setup.run.complete)
        balancer.backward([loss * loss_weight for loss, loss_weight in zip(losses, setup.network.loss_weights, strict=True)], present, model)
        optimizer.step()
        balancer.after_step(losses_now)

    return step


def torchjd_step(setup: Setup, batch: Batch, aggregator: aggregation.Aggregator) -> Callable[[], None]:
    """The same with TorchJD's own engine, as its documentation shows it; chunk size 1 is its fastest on a CPU."""
    model = copy.deepcopy(setup.network.model).train()
    optimizer = build_optimizer(setup.run.config.optimizer, model, torch.nn.Module())
    shared = model.shared_parameters()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        # TorchJD takes no features that depend on each other, as the levels of a pyramid do; views of them don't.
        features = [feature.view_as(feature) for feature in model.backbone(batch.images)]
        outputs = {name: head(features) for name, head in model.heads.items()}
        losses = [kind.loss(outputs[name], batch.targets[kind.task.target]) for name, kind in setup.run.kinds.items()]
        mtl_backward(
            losses,
            features=features,
            tasks_params=[model.task_parameters(task) for task in model.tasks],
            shared_params=shared,
            parallel_chunk_size=1,
        )
        jac_to_grad(shared, aggregator)
        optimizer.step()

    return step


def libmtl_step(setup: Setup, batch: Batch, method: str) -> Callable[[], None]:
    """LibMTL's weighting class with its own default options, on a network of ours. For each of the three batches of some, it gets this one."""
    model = copy.deepcopy(setup.network.model).train()
    with contextlib.redirect_stdout(io.StringIO()):
        weighting, options = getattr(libmtl().weighting, method), options_of(method)
    shared, passes = model.shared_parameters(), 3 if method in THREE_BATCHES else 1

    class Weighting(weighting):
        """LibMTL's class as its trainer mixes it into a network: it asks this for the shared parameters."""

        def get_share_params(self) -> list[torch.nn.Parameter]:
            return shared

        def zero_grad_share_params(self) -> None:
            model.backbone.zero_grad(set_to_none=False)

    balancer = Weighting()
    # Not as its modules, because the optimizer has their parameters from the model.
    vars(balancer).update(encoder=model.backbone, decoders=dict(model.heads.items()))
    balancer.task_num, balancer.task_name, balancer.device, balancer.rep_grad = len(TASKS), list(TASKS), torch.device("cpu"), False
    balancer.epoch, balancer.train_loss_buffer = 0, np.ones((len(TASKS), 3))
    balancer.init_param()
    optimizer = build_optimizer(setup.run.config.optimizer, model, balancer)

    def losses_now() -> torch.Tensor:
        return task_losses(setup.run.kinds, model(batch.images), batch, setup.run.complete)[0]

    def step() -> None:
        losses = torch.stack([losses_now() for _ in range(passes)]).squeeze(0)
        optimizer.zero_grad(set_to_none=False)
        with contextlib.redirect_stdout(io.StringIO()):
            balancer.backward(losses, **options)
        optimizer.step()
        if hasattr(balancer, "update_w"):  # FAMO's second forward pass, which LibMTL's trainer does
            with torch.no_grad():
                balancer.update_w(losses_now())
        balancer.epoch = min(balancer.epoch + 1, 2)  # GradNorm, STCH and DWA begin after the first epochs

    return step


def measure(ways: dict[tuple[str, str], Callable[[], None]], rounds: int, steps: int) -> dict[tuple[str, str], float]:
    """Median over rounds of each way's CPU time over that of the plain steps just before and after it."""
    plain = ways["plain", ""]
    for step in ways.values():
        step()
    ratios: dict[tuple[str, str], list[float]] = {key: [] for key in ways}
    for number in range(rounds):
        before = _seconds(plain, steps)
        for key in list(ways)[:: 1 if number % 2 else -1]:
            own = _seconds(ways[key], steps)
            after = _seconds(plain, steps)
            ratios[key].append(2 * own / (before + after))
            before = after
    return {key: statistics.median(values) for key, values in ratios.items()}


def _seconds(step: Callable[[], None], steps: int) -> float:
    start = time.process_time()
    for _ in range(steps):
        step()
    return time.process_time() - start


def _machine(arguments: argparse.Namespace) -> str:
    threads = f"{torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''} of {os.cpu_count()} shared cores"
    return (
        f"Measured with {len(TASKS)} tasks on 64x64 images, {arguments.backbone}, batch {arguments.batch}, fp32, on {threads} "
        f"({platform.machine()}, no GPU), torch {torch.__version__.partition('+')[0]}, TorchJD {version('torchjd')}"
    )


def _print(ratios: dict[tuple[str, str], float], arguments: argparse.Namespace) -> None:
    print(_machine(arguments))
    print(f"plain beside itself: {ratios['plain', '']:.3f}\n")
    print("| method | parameters | blocks | features | TorchJD | ours / TorchJD | LibMTL |\n|---|---|---|---|---|---|---|")
    for name in arguments.methods:
        own, blocks, features, theirs, lib = (ratios.get((name, way)) for way in ("parameters", "blocks", "features", "torchjd", "libmtl"))
        cells = [own, blocks, features, theirs, own / theirs if own and theirs else None, lib]
        print(f"| {name} | " + " | ".join("" if cell is None else f"{cell:.2f}" for cell in cells) + " |")


def _write(ratios: dict[tuple[str, str], float], arguments: argparse.Namespace) -> None:
    table = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"methods": {}}
    table |= {"tasks": len(TASKS), "measured_on": _machine(arguments)}
    for name in arguments.methods:
        places = {way: round(ratios[name, way], 2) for way in OURS if (name, way) in ratios}
        table["methods"][name] = table["methods"].get(name, {}) | places
    FILE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
