"""The command line: ``python -m mtl_core``, or ``mtl`` where it is installed. All that the dashboard trains and shows, from a shell."""

from __future__ import annotations

import sys

STOPPED = 130  # exit code after Ctrl-C
try:
    import io
    import logging
    import os
    import tempfile
    import time
    import traceback
    from collections.abc import Sequence
    from pathlib import Path

    import click

    from mtl_core import settings
    from mtl_core.cli.affinity_commands import affinity
    from mtl_core.cli.branch_command import branch
    from mtl_core.cli.control_commands import pause, proceed, stop
    from mtl_core.cli.cost_commands import cost
    from mtl_core.cli.dashboard import serve, ui
    from mtl_core.cli.doctor import doctor
    from mtl_core.cli.evaluate_commands import evaluate
    from mtl_core.cli.export_commands import export
    from mtl_core.cli.library_commands import COMMANDS
    from mtl_core.cli.list_commands import data, presets, runs
    from mtl_core.cli.output import complain, complain_of, json_refusals, say
    from mtl_core.cli.part_commands import parts
    from mtl_core.cli.predict_commands import predict
    from mtl_core.cli.preflight_commands import backbones, preflight
    from mtl_core.cli.repeat_commands import again, differences, drop, stop_study
    from mtl_core.cli.resume_commands import fork, resume
    from mtl_core.cli.study_commands import study
    from mtl_core.cli.train_commands import queue, race, train
    from mtl_core.cli.work_commands import cluster, work
    from mtl_core.errors import MTLError
    from mtl_core.machine.standard_streams import open_closed_streams
except KeyboardInterrupt:  # the imports take most of a second; ``complain``, which translates, may not be there yet
    print("error:", "stopped", file=sys.stderr)
    sys.exit(STOPPED)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def commands() -> None:
    """Train several vision tasks in one network, and read what happened.

    Runs live in the folder that the environment variable MTL_HOME names (default ./runs), shared with the dashboard.
    """


for command in (
    ui,
    serve,
    train,
    preflight,
    resume,
    fork,
    pause,
    proceed,
    stop,
    queue,
    race,
    study,
    work,
    evaluate,
    affinity,
    presets,
    runs,
    data,
    predict,
    export,
    parts,
    backbones,
    cluster,
    doctor,
):
    commands.add_command(command)
for command in COMMANDS:
    runs.add_command(command)
runs.add_command(branch)
for command in (cost, again, differences, stop_study, drop):
    study.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 failed, 2 bad config or usage, 130 stopped."""
    try:
        logging.getLogger("mtl_core").addHandler(logging.NullHandler())  # the commands print what matters
        open_closed_streams()
        for stream in (sys.stdout, sys.stderr):
            if reconfigure := getattr(stream, "reconfigure", None):
                reconfigure(errors="replace")  # a terminal without arrows prints question marks instead of failing
        given = sys.argv[1:] if arguments is None else arguments
        if not {"-h", "--help"} & set(given) and "doctor" not in given[:1]:  # which says itself what is wrong with the settings
            _check_settings("--json" in given)
        settings.use_threads()
        return commands.main(args=arguments, prog_name=_program(), standalone_mode=False) or 0
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        say(said.getvalue().rstrip("\n"))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        complain("stopped")
        return STOPPED
    except MTLError as error:
        complain_of(error)
        return error.exit_code
    except Exception as error:
        complain(f"an unexpected {type(error).__name__}: {error}. This is a fault of the program; its full log is in {_write_trace()}")
        return 1


def _program() -> str:
    """How the command line was called: by the installed command ``mtl``, or as a module."""
    return "mtl" if Path(sys.argv[0]).stem == "mtl" else "python -m mtl_core"


def _check_settings(as_json: bool) -> None:
    """Raise ConfigError for invalid environment variables, and print a warning for suspicious ones."""
    with json_refusals(as_json):
        settings.check()
    for remark in settings.remarks():
        say(f"warning: {remark}")


def _write_trace() -> Path:
    """Write the traceback to a new temporary file and return its path. ``mkstemp`` never opens a file that another user has put there."""
    number, name = tempfile.mkstemp(prefix=f"mtl_core-{time.strftime('%Y%m%d-%H%M%S')}-", suffix=".log")
    with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(traceback.format_exc())
    return Path(name)


if __name__ == "__main__":
    sys.exit(main())
