"""``train`` a config in the foreground, ``queue`` it for a dashboard, or queue a ``race`` of balancing methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from mtl_core.cli.foreground import ForegroundRun, check_config, train_in_foreground
from mtl_core.cli.import_commands import share_sets
from mtl_core.cli.output import JSON, SET, emit, emit_json, json_refusals, run_as_json, say
from mtl_core.config import RunConfig
from mtl_core.runs.cluster.cluster_start import is_on_cluster
from mtl_core.runs.store import open_store


def _takes_a_config(command: Callable[..., Any]) -> Callable[..., Any]:
    preset = click.option("--preset", metavar="NAME", help="Use a preset instead of a file; 'presets' lists them.")
    return click.argument("config_file", metavar="[CONFIG.yaml]", required=False)(preset(SET(JSON(command))))


@click.command()
@_takes_a_config
def train(config_file: str | None, preset: str | None, assignments: tuple[str, ...], as_json: bool) -> int:
    """Train CONFIG.yaml, or a preset, in the foreground.

    The dashboard shows the run while it trains. Ctrl-C saves the state and stops it; a second Ctrl-C ends it at once.

    Exit code: 0 finished, 1 failed, 2 the config or the data cannot be used, 130 stopped.
    """
    check_one_given(config_file, preset)

    def prepare() -> ForegroundRun:
        config = check_config(read_config(config_file, preset, assignments))
        store = open_store()
        return ForegroundRun(store, config, lambda held: store.create(config, columns=held, line="started"))

    return train_in_foreground(prepare, as_json)


@click.command()
@_takes_a_config
def queue(config_file: str | None, preset: str | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Put CONFIG.yaml, or a preset, into the queue.

    A dashboard with the same MTL_HOME trains it when the device is free. The dashboard must have been started with 'python serve.py', or a page of it
    must have been opened since its start. 'work --queue' trains the queue without a dashboard.
    """
    check_one_given(config_file, preset)
    with json_refusals(as_json):
        config = check_config(read_config(config_file, preset, assignments))
        run = open_store().create(config)
    if as_json:
        emit_json(run_as_json(run))
    else:
        emit(f"{run.id}  queued as number {run.queue_position}  {run.name}")
        print_who_trains()


@click.command()
@click.option("--methods", metavar="NAME,NAME,...", required=True, multiple=True, help="Balancing methods, separated by commas; repeatable.")
@_takes_a_config
def race(config_file: str | None, preset: str | None, assignments: tuple[str, ...], as_json: bool, methods: tuple[str, ...]) -> None:
    """Queue CONFIG.yaml, or a preset, once per balancing method, with the same seed.

    Each method has its default options; the config's own method keeps the options of the config. Prints the race's id and its runs.
    """
    from mtl_core.runs import method_race as races

    check_one_given(config_file, preset)
    with json_refusals(as_json):
        base = read_config(config_file, preset, assignments)
        names = [name for group in methods for name in group.replace(",", " ").split()]
        for config in races.configs(base, names).values():
            check_config(config)
        store = open_store()
        started = races.start(store, base, names)
        runs = races.runs_of(store, started)
    if as_json:
        emit_json({"race": started, "runs": [run_as_json(run) for run in runs]})
    else:
        emit("\n".join([started, *(f"{run.id}  queued as number {run.queue_position}  {run.name}" for run in runs)]))
        print_who_trains()


def print_who_trains() -> None:
    """On standard error. A server cannot be asked whether it is there, so no sentence says that it is or is not."""
    if is_on_cluster():
        say("waits for the Ray cluster; 'cluster' starts its queue if it is not there, and shows which run is where")
        return
    say("a dashboard on this MTL_HOME trains it when the device is free if one was opened in a browser or started by serve.py; else 'work --queue'")


def check_one_given(config_file: str | None, preset: str | None) -> None:
    if (config_file is None) == (preset is None):
        raise click.UsageError(f"give either a CONFIG.yaml or --preset NAME; found {'both' if preset else 'neither'}")


def read_config(config_file: str | None, preset: str | None, assignments: tuple[str, ...]) -> RunConfig:
    """The config that was asked for. If its data set was imported on another machine, this one knows it from now on."""
    from mtl_core.presets import get_preset

    named = RunConfig.from_file(config_file) if preset is None else get_preset(preset).config  # type: ignore[arg-type]
    config = named.with_overrides(assignments)
    if config.imported_set:
        share_sets()
    return config
