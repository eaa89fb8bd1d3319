"""Imported sets: each trains; how fast preparing and batching are; and whether memory stays flat.

    python -m benchmarks.imports DATA [--write]

DATA is a folder with the data sets that the table names (``mnist``, ``oxford_pets_3breeds``, ``bccd_voc``, ``coco_mini``, ``icl_livingroom_rgbd``).
Prints two tables; ``--write`` puts them into benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mtl_core.config import PartConfig, RunConfig
from mtl_core.data import open_source
from mtl_core.data.batches import Batches
from mtl_core.data.imports import ImportSpec, examine, import_dataset, propose
from mtl_core.data.imports.source import PreparedSource
from mtl_core.data.prepare import prepare
from mtl_core.events import Control, EpochMetrics
from mtl_core.training.trainer import train

RUNS = {  # folder: tasks, image size, epochs, further options of the run
    "oxford_pets_3breeds": (("breed", "species", "trimap", "head"), 64, 15, {"batch_size": 16}),
    "bccd_voc": (("boxes", "wbc_type", "count_RBC", "count_WBC", "count_Platelets"), 96, 12, {"batch_size": 16}),
    "coco_mini": (("boxes", "segments", "present"), 96, 20, {"batch_size": 8}),
    "icl_livingroom_rgbd": (("depth", "median_depth_m", "p10_depth_m", "valid_fraction"), 64, 20, {"batch_size": 8}),
    "mnist": (("digit", "writer_group", "slant_deg", "ink", "box"), 28, 1, {"batch_size": 128}),
}
REPEATS = 5
MARK = "<!-- imports -->"


def imported_run(folder: Path, tasks: tuple[str, ...], size: int, epochs: int, options: dict, home: Path) -> list[str]:
    """Rows of the table: one per metric of val, first and last epoch."""
    proposal = propose(folder)
    images = proposal.spec.images.model_copy(update={"size": (size, size)})
    spec = proposal.spec.model_copy(update={"tasks": list(tasks), "images": images})
    begin = time.perf_counter()
    made = import_dataset(folder, spec, folder.name, home)
    importing = time.perf_counter() - begin
    values = {"data": {"name": "imported", "set": made.name}, "tasks": {task: {} for task in tasks}, "epochs": epochs, **options}
    config = RunConfig.from_dict({**values, "backbone": {"name": "small_cnn"}})
    begin, seen = time.perf_counter(), []
    run = home / "runs" / folder.name
    run.mkdir(parents=True)
    for event in train(config, run, home / "data", Control()):
        if isinstance(event, EpochMetrics) and any(key.startswith("val/") for key in event.scalars):
            seen.append(event.scalars)
    training = time.perf_counter() - begin
    main = {}
    for key in seen[-1]:
        part, task, *metric = key.split("/")
        if part == "val" and metric and metric != ["loss"]:
            main.setdefault(task, key)
    cells = [f"{task}: {key.rpartition('/')[2]} {_number(seen[0][key])} → {_number(seen[-1][key])}" for task, key in main.items()]
    sizes = " / ".join(str(count) for count in made.split_sizes.values())
    return [f"| {folder.name} | {sizes} | {size} | {importing:.1f} s | {epochs} | {training:.0f} s | {'; '.join(cells)} |"]


def _number(value: float) -> str:
    return f"{value:.3g}"


def preparing(folder: Path, size: int, home: Path) -> tuple[float, float]:
    """Images per second of the preparation's rows, and of a plain Pillow loop that gives the same shape; medians, taken in turns."""
    spec = ImportSpec.from_dict({"images": {"folders": ["BCCD/JPEGImages"], "size": [size, size]}})
    examined = examine(folder, spec)
    source, keys = PreparedSource(examined), list(examined.facts)

    def plain() -> None:
        for key in keys:
            with Image.open(folder / key) as image:
                np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)

    def ours() -> None:
        for split in ("train", "val", "test"):
            for _ in source.portions(split, lambda share, what: None)[1]:
                pass

    return tuple(len(keys) / seconds for seconds in _in_turns(ours, plain))  # type: ignore[return-value]


class _Pictures(torch.utils.data.Dataset):
    """What most people write: decode, resize and normalise at each access."""

    def __init__(self, files: list[Path], size: int):
        self.files, self.size = files, size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> torch.Tensor:
        with Image.open(self.files[row]) as image:
            pixels = np.asarray(image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR))
        return (torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float() / 255 - 0.5) / 0.25


def batching(folder: Path, size: int, home: Path) -> tuple[float, float, float]:
    """Batches of 32 per second: ours, a DataLoader that decodes the originals (two workers), and one over files of the final size."""
    spec = ImportSpec.from_dict(
        {"images": {"folders": ["BCCD/JPEGImages"], "size": [size, size]}, "sources": [{"format": "voc", "folder": "BCCD/Annotations"}]}
    )
    import_dataset(folder, spec, f"batching{size}", home)
    data = prepare(open_source(PartConfig(name="imported", set=f"batching{size}")), home / "data")
    batches = Batches(data.train, ["boxes"], data.statistics, 32, shuffle=True)
    files = sorted((folder / "BCCD" / "JPEGImages").iterdir())[: len(data.train)]
    small = home / f"small{size}"
    small.mkdir()
    for file in files:
        Image.open(file).resize((size, size)).save(small / file.name)
    epochs = iter(range(10_000))
    loaders = [
        torch.utils.data.DataLoader(_Pictures(paths, size), 32, shuffle=True, num_workers=2, persistent_workers=True)
        for paths in (files, sorted(small.iterdir()))
    ]
    seconds = _in_turns(lambda: list(batches.epoch(next(epochs))), *(lambda loader=loader: list(loader) for loader in loaders))
    return tuple(len(batches) / second for second in seconds)  # type: ignore[return-value]


def _in_turns(*works: Callable[[], object]) -> list[float]:
    times: list[list[float]] = [[] for _ in works]
    for repeat in range(REPEATS + 1):
        for taken, work in zip(times, works, strict=True):
            begin = time.perf_counter()
            work()
            if repeat:  # the first warms up
                taken.append(time.perf_counter() - begin)
    return [statistics.median(taken) for taken in times]


def memory(count: int) -> None:
    """In a process of its own: the anonymous memory in MB before, the most while a set is prepared and read, and its size."""
    import psutil

    with tempfile.TemporaryDirectory() as folder:
        root, home = Path(folder) / "in", Path(folder) / "home"
        random = np.random.default_rng(0)
        for number in range(count):
            path = root / "ab"[number % 2] / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            file = io.BytesIO()
            Image.fromarray(random.integers(0, 255, (32, 32, 3), np.uint8)).resize((160, 160)).save(file, "JPEG")
            path.write_bytes(file.getvalue())
        me, most = psutil.Process(), 0

        def anonymous() -> float:
            facts = me.memory_info()
            return (facts.rss - facts.shared) / 1e6

        before = anonymous()

        def look(share: float, what: str) -> None:
            nonlocal most
            most = max(most, anonymous())

        spec = propose(root).spec
        spec = spec.model_copy(update={"images": spec.images.model_copy(update={"size": (160, 160)})})
        import_dataset(root, spec, "large", home, progress=look)
        data = prepare(open_source_at(home), home / "data")
        for epoch in range(2):
            for _ in Batches(data.train, ["class"], data.statistics, 64, shuffle=True).epoch(epoch):
                look(0, "")
        print(f"{before:.0f} {most:.0f} {data.train.images.nbytes / 1e6:.0f}")


def open_source_at(home: Path):
    """The set ``large`` of that store."""
    os.environ["MTL_HOME"] = str(home)
    return open_source(PartConfig(name="imported", set="large"))


def tables(data: Path) -> str:
    """Everything measured, as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["MTL_HOME"] = folder
        rows = [
            "| set | train / val / test | pixels | import | epochs | training | val metrics, first → last epoch |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, (tasks, size, epochs, options) in RUNS.items():
            rows += imported_run(data / name, tasks, size, epochs, options, home)
            print(rows[-1], flush=True)
        rows += ["", "| what | ours | compared with | ratio |", "|---|---|---|---|"]
        for size in (64, 128):
            ours, plain = preparing(data / "bccd_voc", size, home)
            rows.append(f"| preparing 640x480 JPEG to {size} | {ours:.0f} images/s | plain Pillow loop {plain:.0f} images/s | {ours / plain:.1f} |")
        ours, originals, small = batching(data / "bccd_voc", 64, home)
        rows.append(f"| batches of 32 at 64x64 | {ours:.0f} /s | DataLoader, 2 workers, originals {originals:.1f} /s | {ours / originals:.0f} |")
        rows.append(f"| the same | {ours:.0f} /s | DataLoader, 2 workers, files of 64x64 {small:.1f} /s | {ours / small:.0f} |")
    for count in (1000, 4000, 12_000):
        done = subprocess.run([sys.executable, "-m", "benchmarks.imports", "--memory", str(count)], capture_output=True, text=True, check=True)
        before, most, size = map(int, done.stdout.split())
        rows.append(f"| own memory, {count:,} pictures, {size} MB train | {most} MB at most | {before} MB before | |")
    return "\n".join(rows)


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--memory", type=int)
    options = parser.parse_args()
    if options.memory:
        memory(options.memory)
        return
    text = tables(options.data)
    print(text)
    if options.write:
        page = Path(__file__).with_name("README.md")
        before, _, after = page.read_text(encoding="utf-8").partition(MARK)
        page.write_text(f"{before}{MARK}\n{text}\n{MARK}{after.partition(MARK)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
