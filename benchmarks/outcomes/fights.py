"""Do a preset's tasks fight? Together against each alone, balancing methods against fixed weights, and the share of measurements in conflict.

    python -m benchmarks.outcomes.fights HOME [--preset digits-fight] [--methods pcgrad uncertainty nash_mtl imtl_g] [--seeds 5] [--minutes 30]

HOME is a store of its own. It keeps the runs, so the command can be stopped and called again until every run has finished; then it prints the
tables in benchmarks/README.md. Seed by seed all runs begin with the same weights and see the same batches. Val chooses the checkpoint.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.outcomes.claims import study_of, train_missing
from mtl_core.config import RunConfig
from mtl_core.presets import get_preset
from mtl_core.runs.store import RunStore, open_store
from mtl_core.studies import study_actions
from mtl_core.studies.answer import Answer, answer_of
from mtl_core.studies.comparison_lines import OVERALL
from mtl_core.studies.paper_table import heading

COMMON: dict[str, Any] = {
    "device": "cpu",
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 4,
    "keep_checkpoints": 0,
    "conflict_every": 10,
}


def base_of(preset: str) -> RunConfig:
    """The preset's config with fixed weights, its conflict measured every ten steps."""
    values = get_preset(preset).config.to_dict()
    return RunConfig.from_dict({**values, **COMMON, "balancing": {"name": "fixed"}})


def print_differences(answer: Answer) -> None:
    """One line for each comparison and task: both means, their difference paired by seed with its interval, the verdict."""
    for line in answer.lines:
        found = line.verdict
        if found is None or line.task == OVERALL or line.metric is None:
            continue
        difference = found.difference
        interval = f"{difference.mean:+.4f} | {difference.low:+.4f} to {difference.high:+.4f}"
        print(f"| {line.label} | {heading(line.metric)} | {line.baseline:.4f} | {line.value:.4f} | {interval} | {found.text} |")


def print_conflict(store: RunStore, answer: Answer) -> None:
    """For each cell of several tasks: mean cosine of each pair and the share of measurements below 0, means over the seeds with their range."""
    for cell in answer.study.cells:
        tasks = list(cell.config.tasks)
        runs = [run for (key, _), run in answer.run_ids.items() if key == cell.key]
        frames = [store.scalars(run) for run in runs]
        for one, other in combinations(tasks, 2):
            values = [frame[frame["key"] == f"conflict/{one}/{other}"]["value"].to_numpy(dtype=float) for frame in frames]
            values = [each for each in values if len(each)]
            if not values:
                continue
            below = [100 * float((each < 0).mean()) for each in values]
            print(
                f"| {cell.label} | {one} and {other} | {np.mean([each.mean() for each in values]):+.2f} | "
                f"{np.mean(below):.0f} % ({min(below):.0f} to {max(below):.0f}) | {len(values)} |"
            )


def main() -> None:
    """Train what is missing, then print the tables of what has finished."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--preset", default="digits-fight")
    parser.add_argument("--methods", nargs="+", default=["pcgrad", "uncertainty", "nash_mtl", "imtl_g"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1e6, help="no run starts after these minutes")
    arguments = parser.parse_args()
    store, until, base = open_store(arguments.home), time.time() + 60 * arguments.minutes, base_of(arguments.preset)
    alone = study_of(store, "share", f"{arguments.preset}: together against alone", base, {}, arguments.seeds)
    methods = study_of(store, "methods", f"{arguments.preset}: methods", base, {"methods": arguments.methods, "sweep": 0}, arguments.seeds)
    for made in (alone, methods):
        train_missing(store, made, until)
    for split in ("val", "test"):
        print(f"\n| {split}: comparison | metric | baseline | value | difference | 95 % interval | verdict |\n|---|---|---|---|---|---|---|")
        for made in (alone, methods):
            print_differences(answer_of(store, study_actions.get(store, made.id), split))
    print("\n| run | pair | mean cosine | below 0, mean over seeds (range) | seeds |\n|---|---|---|---|---|")
    print_conflict(store, answer_of(store, study_actions.get(store, methods.id), "val"))


if __name__ == "__main__":
    main()
