"""Output of the command line: JSON, tables, headlines and error messages."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtl_core.durations import duration
from mtl_core.errors import MTLError, NotPossibleError, RunNotFoundError, StoreError
from mtl_core.language import HalfUp
from mtl_core.machine.standard_streams import LossyStream, UnprintedError, discard
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql.schema import finite
from mtl_core.terminal_text import ACTED_ON, visible
from mtl_core.training.checkpoint_files import BEST_OF, KeptCheckpoint

ARROWS = {True: "↑", False: "↓", None: ""}
PIPE_WIDTH = 200  # characters of a table's line if standard output is no terminal
LEAST_CUT = 20  # characters that remain of a cut cell, at least
_ESCAPED = re.compile(f"{ACTED_ON.pattern}|[\ud800-\udfff]")
_BETWEEN = "  "  # columns

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
SET = click.option(
    "--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Change a setting, e.g. --set epochs=3 --set optimizer.lr=0.01. Repeatable."
)


def emit(text: str) -> None:
    """Print to standard output what people read."""
    _write(visible(text))


def emit_data(text: str) -> None:
    """Print to standard output what another program reads, such as CSV or YAML: unchanged, unless it goes to a terminal."""
    _write(visible(text) if sys.stdout.isatty() else text)


def say(text: str) -> None:
    """Print to standard error what people read. Where it cannot be written, nobody can be told."""
    click.echo(visible(text), file=LossyStream(sys.stderr))  # type: ignore[arg-type]


def emit_sent(found: Sequence[tuple[str, str]], sentence: str) -> int:
    """Print how much of what waited on this machine is in the object store now, and each problem to standard error.

    Args:
        found: (name, problem) of each; the problem is empty if it was sent.
        sentence: with the places ``{sent}`` and ``{count}``.

    Returns:
        The exit code: 1 if something stays here.
    """
    problems = [(name, problem) for name, problem in found if problem]
    for name, problem in problems:
        complain(f"{name}  {problem}")
    emit(sentence.format(sent=len(found) - len(problems), count=len(found)))
    return 1 if problems else 0


def _write(text: str) -> None:
    """A reader that has gone away (``| head``) is no error: the rest is dropped."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)
    except OSError as error:
        discard(sys.stdout)
        raise UnprintedError(
            f"the answer cannot be written to standard output: {error.strerror or error}. What the command did stays done. "
            "Free some space, or send the output elsewhere, and ask again."
        ) from None


def emit_json(value: Any) -> None:
    """Print one JSON value; see ``json_text``."""
    _write(json_text(value, indent=2))


def json_text(value: Any, indent: int) -> str:
    """JSON in UTF-8; numbers that are not finite become null.

    What a terminal acts on, and bytes of a file's name that are no text, are escaped: a reader gets the name that opens the file.
    """
    text = json.dumps(finite(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = (), cut: str = "") -> None:
    """Print a table.

    Args:
        numbers: columns aligned to the right.
        cut: the column whose cells are shortened if a line is too long. Cells of other columns are never shortened.
    """
    rows = [[visible(cell, one_line=True) for cell in row] for row in rows]
    on_terminal = sys.stdout.isatty()
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    total = sum(widths) + len(_BETWEEN) * (len(widths) - 1)
    place = columns.index(cut) if cut else None
    if place is not None:
        too_long = total - (shutil.get_terminal_size().columns if on_terminal else PIPE_WIDTH)
        room = max(widths[place] - max(too_long, 0), LEAST_CUT)
        for row in rows:
            row[place] = row[place] if cell_len(row[place]) <= room else set_cell_size(row[place], room - 1).rstrip() + "…"
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, len(_BETWEEN), 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    buffer = io.StringIO()
    Console(file=buffer, force_terminal=on_terminal, width=total).print(table)
    _write("\n".join(line.rstrip() for line in buffer.getvalue().splitlines()))


def metrics_table(summary: dict[str, dict[str, Any]]) -> None:
    """Print best and last value of every scalar, and the value with the chosen checkpoint; the arrow shows the better direction.

    Regret: what a metric on val loses at the chosen checkpoint, against its best epoch.
    """
    rows = [
        (
            key,
            ARROWS[entry["higher_is_better"]],
            *(number(entry[name]) for name in ("best", "last", "chosen")),
            number(regret_of(key, entry)),
            entry["unit"],
            number(entry["best_epoch"]),
        )
        for key, entry in summary.items()
    ]
    if rows:
        columns = ("metric", "better", "best", "last", "chosen", "regret", "unit", "best epoch")
        emit_table(columns, rows, numbers=("best", "last", "chosen", "regret", "best epoch"))


def regret_of(key: str, entry: dict[str, Any]) -> float | None:
    """What a metric on val loses at the chosen checkpoint, in its unit; None for other values."""
    if not key.startswith("val/") or entry["best"] is None or entry["chosen"] is None:
        return None
    return abs(entry["best"] - entry["chosen"])


def headline(run: Run) -> str:
    """One line on how a run stands or ended."""
    name = visible(run.name, one_line=True)
    text = f"{run.id}  {run.status.value}  {name}  step {run.step}{f' of {run.steps_total}' if run.steps_total else ''}, {duration(run.seconds)}"
    return text + (f", {run.steps_per_second:.1f} steps/s" if run.steps_per_second else "")


def run_as_json(run: Run) -> dict[str, Any]:
    """The JSON object of a run for ``--json``."""
    plain = ("name", "subtitle")
    plain += ("step", "steps_total", "epoch", "epochs", "steps_per_second", "seconds", "device", "created_at", "started_at", "finished_at")
    plain += ("queue_position", "note", "tags", "pinned", "archived")
    parent = {"run": run.parent, "epoch": run.parent_epoch, "step": run.parent_step} if run.parent else None
    return {"run": run.id, "status": run.status.value, **{name: getattr(run, name) for name in plain}, "parent": parent}


def marks_of(checkpoint: KeptCheckpoint) -> list[str]:
    """The names by which a checkpoint can be asked for, besides its epoch."""
    named = (("best", checkpoint.is_best), ("last", checkpoint.is_last))
    return [name for name, holds in named if holds] + [f"{BEST_OF}{task}" for task in checkpoint.best_of]


def checkpoint_as_json(checkpoint: KeptCheckpoint) -> dict[str, Any]:
    """The JSON object of a kept epoch for ``--json``."""
    return {
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "best": checkpoint.is_best,
        "last": checkpoint.is_last,
        "best_of": list(checkpoint.best_of),
    }


def number(value: float | None) -> str:
    """Four significant digits; a dash for None."""
    return "-" if value is None else f"{HalfUp(value):.4g}"


def moment(seconds: float | None) -> str:
    """Local date and time of seconds since 1970; a dash for None."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def complain(message: str) -> None:
    """Say on standard error what is wrong."""
    say(f"error: {message}")


def complain_of(error: MTLError) -> None:
    """Print one of our errors to standard error; several problems of a config are printed one per line."""
    lines = str(error).splitlines() or [type(error).__name__]
    complain(lines[0] if len(lines) == 1 else "\n  ".join(["the config cannot be used:", *lines]))


def refusal_of(error: MTLError) -> dict[str, Any]:
    """The JSON object of an error for ``--json``: each problem with the setting or object that it concerns."""
    problems = getattr(error, "problems", None)
    if problems:
        return {"status": "refused", "problems": [{"field": problem.field, "message": problem.message} for problem in problems]}
    about = "RUN" if isinstance(error, RunNotFoundError | NotPossibleError) else "MTL_HOME" if isinstance(error, StoreError) else ""
    return {"status": "refused", "problems": [{"field": about, "message": str(error)}]}


@contextmanager
def json_refusals(as_json: bool) -> Iterator[None]:
    """With ``--json``, print an error as JSON before it propagates (``main`` prints it to standard error)."""
    try:
        yield
    except MTLError as error:
        if as_json:
            emit_json(refusal_of(error))
        raise
