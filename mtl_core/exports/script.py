"""A Python script that trains the run again with only ``mtl_core`` and prints its metrics."""

from __future__ import annotations

from pathlib import Path

from mtl_core.exports.export_source import ExportSource
from mtl_core.runs.run_record import Run

TITLE = "Python script"
SUMMARY = "Trains the same run again from Python; on the same machine the numbers are the same."

_SCRIPT = '''"""{title}

Trains this run again with mtl_core. The same versions on the same kind of machine give the same numbers.
{remark}"""

import sys
from pathlib import Path

from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.training.trainer import train

CONFIG = """\\
{config}"""


def main(folder: Path) -> dict[tuple[int, str], float]:
    """Train into an empty folder; every scalar by (step, key)."""
    folder.mkdir(parents=True)
    scalars = {{}}
    for event in train(RunConfig.from_yaml(CONFIG), folder, folder.parent / "data", Control()):
        if isinstance(event, StepScalars | EpochMetrics):
            scalars |= {{(event.step, key): value for key, value in event.scalars.items()}}
        if isinstance(event, EpochMetrics):
            print(f"epoch {{event.epoch}}:", ", ".join(f"{{key}} {{value:.4g}}" for key, value in sorted(event.scalars.items())))
    return scalars


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "again/run"))
'''


def write(source: ExportSource, folder: Path) -> None:
    """``<run>.py``."""
    (folder / f"{source.run.id}.py").write_text(script(source.run), encoding="utf-8")


def script(run: Run) -> str:
    """The script's text. It states the precision and layout that the run used, so that ``auto`` cannot choose others.

    The script of a fork trains from the beginning, which gives other numbers than training from the parent's state. A remark in it says so.
    """
    settled = {key: run.info[key] for key in ("precision", "layout") if run.info.get(key) and getattr(run.config, key) == "auto"}
    settled |= {"device": run.device} if run.device != "auto" else {}
    config = run.config.model_copy(update=settled).to_yaml()
    remark = f"It was forked from run {run.parent} after epoch {run.parent_epoch}; this trains it from the beginning instead.\n" if run.parent else ""
    return _SCRIPT.format(title=_in_quotes(run.name).replace("\n", " "), remark=remark, config=_in_quotes(config))


def _in_quotes(text: str) -> str:
    """Escape text for a string in three double quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
