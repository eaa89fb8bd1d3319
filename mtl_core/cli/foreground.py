"""Training in the foreground for ``train``, ``resume`` and ``fork``: Ctrl-C, progress bar, final report and exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mtl_core.cli.disk_full import Unwritten
from mtl_core.cli.output import complain, complain_of, emit, emit_json, headline, metrics_table, refusal_of, say
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, MTLError
from mtl_core.events import Control
from mtl_core.language import HalfUp
from mtl_core.machine.standard_streams import LossyStream
from mtl_core.runs.background.garbage_collection import without_collections
from mtl_core.runs.run_record import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.terminal_text import visible

FINISHED, FAILED, REFUSED, STOPPED = 0, 1, 2, 130  # exit codes
UNWRITTEN_SECONDS = 60.0  # time limit for recording a run's end on a full disk

_REPORTED = ("val", "test")  # splits in the final report


@dataclass(frozen=True)
class ForegroundRun:
    """A run to train in the foreground.

    Attributes:
        config: the run's config.
        claim: creates or claims the run, with the columns of ``holding.held_by_us``, so that it is never in the queue.
    """

    store: RunStore
    config: RunConfig
    claim: Callable[[dict[str, Any]], Run]


def train_in_foreground(prepare: Callable[[], ForegroundRun], as_json: bool) -> int:
    """Train the run of ``prepare`` to its end, print the report, and return the exit code. Errors before the start are printed, not raised."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # warnings of libraries do not concern the user of a command
    try:
        foreground_run = prepare()
        run = _train(foreground_run)
    except MTLError as error:
        complain_of(error)
        if as_json:
            emit_json({**_report(None, "refused"), **refusal_of(error)})
        return REFUSED
    except KeyboardInterrupt:
        complain("stopped before training began")
        if as_json:
            emit_json(_report(None, "stopped"))
        return STOPPED
    return _print_result(foreground_run.store, run, as_json)


def check_config(config: RunConfig) -> RunConfig:
    """Return the config if it can be trained on this machine. Raises ConfigError with every problem otherwise."""
    with without_collections():
        from mtl_core.training.check import problems  # brings PyTorch along

    found = problems(config)
    if found:
        raise ConfigError(found)
    return config


def _train(foreground_run: ForegroundRun) -> Run:
    from mtl_core.runs.claims import held_by_us
    from mtl_core.runs.jobs import execute, resolve_device

    control = Control()
    with _stop_on_signals(control), _progress(foreground_run.config) as show:
        held = held_by_us(resolve_device(foreground_run.config.device))
        run = foreground_run.claim(held)
        unwritten = Unwritten(run.id, control, UNWRITTEN_SECONDS)
        return execute(foreground_run.store, run.id, control, show, token=held["owner_token"], on_unwritten=unwritten)


@contextmanager
def _stop_on_signals(control: Control) -> Iterator[None]:
    """On the first Ctrl-C (or SIGTERM) the trainer saves its state and ends; the next one ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: Any) -> None:
        for name in before:
            signal.signal(name, signal.SIG_DFL)
        control.stop("Ctrl-C" if number == signal.SIGINT else "asked to end")
        with suppress(OSError):  # the terminal, or who reads a pipe, may be gone: Ctrl-C ends "tee", too
            os.write(2, b"\nstopping: saving the state. Press Ctrl-C again to end at once.\n")  # print is not safe in a signal handler

    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def _progress(config: RunConfig) -> Iterator[Callable[[Any], None] | None]:
    """Show a progress bar on standard error if it is a terminal. Yields the function to call with each event, or None."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    lossy: Any = LossyStream(sys.stderr)
    with Progress(*columns, console=Console(file=lossy), transient=True) as progress:
        bar = progress.add_task("preparing", total=None)

        def show(event: Any) -> None:
            kind = type(event).__name__
            if kind == "RunStarted":
                progress.update(bar, total=event.steps_total)
            elif kind == "StepScalars":
                loss = event.scalars.get("optimizer/loss")
                text = f"epoch {min(int(event.epoch) + 1, config.epochs)}/{config.epochs}"
                progress.update(bar, completed=event.step, description=text if loss is None else f"{text}  loss {HalfUp(loss):.4g}")
            elif kind == "Message":
                progress.console.print(visible(event.text), markup=False, highlight=False)

        yield show


def _print_result(store: RunStore, run: Run, as_json: bool) -> int:
    summary = {key: entry for key, entry in store.summary(run.id).items() if key.split("/")[0] in _REPORTED}
    if as_json:
        emit_json(_report(run, run.status.value, summary))
    elif run.status == RunStatus.FINISHED or summary:
        emit(headline(run))
        metrics_table(summary)
    if run.status == RunStatus.FINISHED:
        return FINISHED
    if run.failure is None:
        say(f"run {run.id} was {run.status.value}; what it had learnt is in {store.folder(run.id)}, and 'resume {run.id}' goes on with it")
        return STOPPED
    complain(f"{run.failure['message']}\n{run.failure['cure']}\nThe full log is in {store.folder(run.id) / 'log.txt'}")
    never_started = run.training_started_at is None and run.failure["kind"] in ("config", "data", "out_of_memory")
    return REFUSED if never_started else FAILED


def _report(run: Run | None, status: str, summary: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """The report that ``--json`` prints."""
    metrics = {key: {name: entry[name] for name in ("best", "last", "higher_is_better")} for key, entry in (summary or {}).items()}
    report: dict[str, Any] = {"run": run.id if run else None, "status": status, "metrics": metrics}
    report |= {"steps_per_second": run.steps_per_second if run else None, "seconds": run.seconds if run else 0.0}
    if run and run.failure:
        report["failure"] = {name: run.failure[name] for name in ("kind", "message", "cure")}
    return report
