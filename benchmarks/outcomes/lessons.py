"""How the lessons come out with several seeds, and how long their runs take: the table in benchmarks/README.md.

    python -m benchmarks.outcomes.lessons HOME [--lessons fighting_tasks ...] [--seeds 5]

HOME is a store of its own. It keeps the runs, so the command can be called again. Each lesson is trained with its first and its proposed value.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson import Lesson
from mtl_core.lessons.lesson_runs import new_class, new_learner, outcome, train
from mtl_core.runs.jobs import execute
from mtl_core.runs.store import RunStore, open_store


def tried(store: RunStore, name: str, lesson: Lesson, seed: int) -> tuple[str, list[float], list[float], dict[str, float]]:
    """Train both values with a seed. Gives the outcome, wall and processor seconds of both trainings, and the outcome's numbers."""
    groups, wall, processor = [], [], []
    for value in (lesson.control.first, lesson.control.proposed):
        began, used = time.time(), time.process_time()
        made = train(store, name, new_learner(), value, class_id=new_class(), seed=seed)
        groups.append([execute(store, run.id) for run in made])
        wall.append(time.time() - began)
        processor.append(time.process_time() - used)
    came_out = outcome(store, lesson, *groups)
    return came_out.key, wall, processor, dict(came_out.numbers)


def main() -> None:
    """Train and print a row for each lesson."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--lessons", nargs="+", default=list(LESSONS))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    store = open_store(arguments.home)
    print("| lesson | outcomes | first training: wall, CPU | second: wall, CPU |\n|---|---|---|---|")
    for name in arguments.lessons:
        lesson: Lesson = LESSONS.load(name)()
        found = [tried(store, name, lesson, seed) for seed in range(arguments.seeds)]
        keys = Counter(key for key, *_ in found)
        times = [
            f"{sorted(wall[part] for _, wall, _, _ in found)[len(found) // 2]:.0f} s, "
            f"{sorted(processor[part] for _, _, processor, _ in found)[len(found) // 2]:.1f} s"
            for part in (0, 1)
        ]
        print(f"| {lesson.text().title} | {', '.join(f'{key} {count}' for key, count in keys.most_common())} | {times[0]} | {times[1]} |", flush=True)
        for key, _, _, numbers in found:
            print(f"    {key}: " + ", ".join(f"{name} {value:.3f}" for name, value in numbers.items()), flush=True)


if __name__ == "__main__":
    main()
