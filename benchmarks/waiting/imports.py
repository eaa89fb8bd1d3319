"""Imported sets: each trains; how fast preparing and batching are; and whether memory stays flat.

    python -m benchmarks.waiting.imports DATA [--only PART ...] [--minutes M --home FOLDER] [--write]

DATA is a folder with the data sets that the table names. PART is one of them (``mnist``, ``oxford_pets_3breeds``, ``bccd_voc``, ``coco_mini``,
``icl_livingroom_rgbd``) or ``speed``; without it all are done. Prints what it measured; ``--write`` puts these rows into benchmarks/README.md and
leaves its others as they are. With ``--minutes`` a run is stopped after that time, and goes on where it stopped when called again with the same home.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mtl_core.config import RunConfig
from mtl_core.config_sections import DataConfig, PartConfig
from mtl_core.data import open_source
from mtl_core.data.batches import Batches
from mtl_core.data.imports import ImportSpec, examine, import_dataset, propose
from mtl_core.data.imports.import_library import get_imported
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.data.prepare import prepare
from mtl_core.events import Control, EpochMetrics, RunEnded
from mtl_core.training.trainer import train

RUNS = {  # folder: tasks, image size, epochs, further options of the run
    "oxford_pets_3breeds": (("breed", "species", "trimap", "head"), 64, 15, {"batch_size": 16}),
    "bccd_voc": (("boxes", "wbc_type", "count_RBC", "count_WBC", "count_Platelets"), 96, 12, {"batch_size": 16}),
    "coco_mini": (("boxes", "segments", "present"), 96, 20, {"batch_size": 8}),
    "icl_livingroom_rgbd": (("depth", "median_depth_m", "p10_depth_m", "valid_fraction"), 64, 20, {"batch_size": 8}),
    "mnist": (("digit", "writer_group", "slant_deg", "ink", "box"), 28, 3, {"batch_size": 128}),
}
REPEATS = 5
MARK = "<!-- imports -->"


def imported_run(folder: Path, home: Path, minutes: float) -> str:
    """The set's row of the table; empty when the time was up before the run was through."""
    end = time.monotonic() + 60 * minutes
    tasks, size, epochs, options = RUNS[folder.name]
    run, notes = home / "runs" / folder.name, home / "runs" / f"{folder.name}.json"
    run.mkdir(parents=True, exist_ok=True)
    if notes.exists():
        noted = json.loads(notes.read_text())
    else:
        noted = {"importing": _imported(folder, tasks, size, home), "training": 0.0, "val": {}}
    values = {"data": {"name": "imported", "set": folder.name}, "tasks": {task: {} for task in tasks}, "epochs": epochs, **options}
    config = RunConfig.from_dict({**values, "backbone": {"name": "small_cnn"}})
    control, begin, through = Control(), time.perf_counter(), False
    timer = threading.Timer(max(1.0, end - time.monotonic()), control.stop)
    timer.start()
    for event in train(config, run, home / "data", control):
        if isinstance(event, EpochMetrics) and any(key.startswith("val/") for key in event.scalars):
            noted["val"][str(event.epoch)] = event.scalars
        if isinstance(event, RunEnded):
            through = event.status == "finished"
    timer.cancel()
    noted["training"] += time.perf_counter() - begin
    notes.write_text(json.dumps(noted))
    return _row(folder.name, noted) if through else ""


def _imported(folder: Path, tasks: tuple[str, ...], size: int, home: Path) -> float:
    """Seconds it took."""
    proposal = propose(folder)
    images = proposal.spec.images.model_copy(update={"size": (size, size)})
    spec = proposal.spec.model_copy(update={"tasks": list(tasks), "images": images})
    begin = time.perf_counter()
    import_dataset(folder, spec, folder.name, home)
    return time.perf_counter() - begin


def _row(name: str, noted: dict) -> str:
    seen = [noted["val"][epoch] for epoch in sorted(noted["val"], key=int)]
    main: dict[str, str] = {}
    for key in seen[-1]:
        part, task, *metric = key.split("/")
        if part == "val" and metric and metric != ["loss"]:
            main.setdefault(task, key)
    _, size, epochs, _ = RUNS[name]
    cells = [f"{task}: {key.rpartition('/')[2]} {_number(seen[0][key])} → {_number(seen[-1][key])}" for task, key in main.items()]
    sizes = " / ".join(f"{count:,}" for count in get_imported(name).split_sizes.values())
    times = f"{noted['importing']:.1f} s | {epochs} | {noted['training']:.0f} s"
    return f"| {name} | {sizes} | {size} | {times} | {'; '.join(cells)} |"


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
    """In a process of its own: the anonymous memory in MB before, the most while a set is prepared, preprocessed and read, and its size."""
    import psutil

    with tempfile.TemporaryDirectory() as folder:
        root, home = Path(folder) / "in", Path(folder) / "home"
        os.environ["MTL_HOME"] = str(home)
        _noise_pictures(root, count)
        me, most = psutil.Process(), 0.0

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
        steps = {"denoise": {"name": "median"}}
        data = prepare(open_source(DataConfig(name="imported", set="large", preprocessing=steps)), home / "data", look)
        for epoch in range(2):
            for _ in Batches(data.train, ["class"], data.statistics, 64, shuffle=True).epoch(epoch):
                look(0, "")
        print(f"{before:.0f} {most:.0f} {sum(data.split(part).images.nbytes for part in ('train', 'val', 'test')) / 1e6:.0f}")


def _noise_pictures(root: Path, count: int) -> None:
    random = np.random.default_rng(0)
    for number in range(count):
        path = root / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (32, 32, 3), np.uint8)).resize((160, 160)).save(path, "JPEG")


def speed(data: Path, home: Path) -> list[str]:
    """The rows about preparing, batching and memory."""
    rows = []
    for size in (64, 128):
        ours, plain = preparing(data / "bccd_voc", size, home)
        rows.append(
            f"| preparing 640x480 JPEG to {size}x{size} | {ours:.0f} images/s | plain Pillow loop {plain:.0f} images/s | {ours / plain:.1f} |"
        )
        print(rows[-1], flush=True)
    ours, originals, small = batching(data / "bccd_voc", 64, home)
    rows.append(f"| batches of 32 at 64x64 | {ours:.0f} /s | DataLoader, 2 workers, originals {originals:.1f} /s | {ours / originals:.0f} |")
    rows.append(f"| the same | {ours:.0f} /s | DataLoader, 2 workers, files of 64x64 {small:.1f} /s | {ours / small:.0f} |")
    print("\n".join(rows[-2:]), flush=True)
    for count in (1000, 4000, 12_000):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.waiting.imports", "--memory", str(count)], capture_output=True, text=True, check=True
        )
        before, most, size = map(int, done.stdout.split())
        rows.append(f"| own memory, {count:,} pictures, arrays of {size} MB | {most} MB at most | {before} MB before | |")
        print(rows[-1], flush=True)
    return rows


def write(sets: dict[str, str], measured: list[str]) -> None:
    """Put new rows into the page's two tables; those of other sets stay."""
    page = Path(__file__).parents[1] / "README.md"
    text = page.read_text(encoding="utf-8")
    before, old, after = text.split(f"{MARK}\n")
    head, tables = old.split("\n", 2)[:2], old.split("\n\n")
    rows = {line.split("|")[1].strip(): line for line in tables[0].split("\n")[2:]} | sets
    fast = tables[1].rstrip("\n").split("\n")[:2] + measured if measured else tables[1].rstrip("\n").split("\n")
    new = "\n".join([*head, *(rows[name] for name in RUNS if name in rows), "", *fast])
    page.write_text(f"{before}{MARK}\n{new}\n{MARK}\n{after}", encoding="utf-8")


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--only", nargs="+", choices=[*RUNS, "speed"], default=[*RUNS, "speed"])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--minutes", type=float, default=1e4)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        memory(options.memory)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        os.environ["MTL_HOME"] = str(home)
        sets = {name: imported_run(options.data / name, home, options.minutes) for name in RUNS if name in options.only}
        print("\n".join(row or f"{name}: not through yet" for name, row in sets.items()))
        measured = speed(options.data, home) if "speed" in options.only else []
    if options.write:
        write({name: row for name, row in sets.items() if row}, measured)


if __name__ == "__main__":
    main()
