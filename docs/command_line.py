"""Writes docs/cli.md: every command with its options, from the command line itself.

    python -m docs

writes it with all other pages.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from mtl_core.__main__ import commands

PAGE = Path(__file__).with_name("cli.md")
INTRODUCTION = """<!-- Written by `python -m docs` from the commands' own help; change that, not this page. -->

# Command line

`python -m mtl_core COMMAND` in a checkout, `mtl COMMAND` where the package is installed. `--help` after a command says what is written here.

- **RUN** is a run's id, or how that begins.
- **Exit codes**: 0 done, 1 failed, 2 bad config, bad usage, or a run whose state does not allow it, 130 stopped. A command that has others says so.
- **Ctrl-C** stops a training cleanly, with its state saved; a second one ends it at once.
- **`--json`** prints one JSON value on standard output: an object, or a list where there are several. Errors go to standard error.
- **`MTL_HOME`** names the folder of the runs (default `./runs`), which the command line shares with the dashboard.
  [All variables](deploy.md#environment-variables).

```bash
mtl train --preset digit-scenes                      # train here and now; the run is in the dashboard, too
mtl train my.yaml --set optimizer.lr=0.001           # a config of one's own, one setting changed
mtl resume RUN --epochs 20                           # train on
mtl race my.yaml --methods fixed,uncertainty,pcgrad  # the same config once for each method
mtl predict RUN photos/ --out predicted              # a picture and a JSON file for each image
```

A config of one's own. Only `data`, `tasks` and `backbone` are needed:

```yaml
data: {name: digits}  # imported pictures: {name: imported, set: cells}
tasks:
  digit: {}
  slant: {loss_weight: 0.5}
backbone: {name: mlp}
balancing: {name: pcgrad}
optimizer: {name: adamw, lr: 0.002}
epochs: 5
batch_size: 64
seed: 0
```

`mtl parts` lists every name with its options, `mtl data list` the tasks of every data set.
`mtl export RUN --format yaml` writes the config of a run with every key.
"""


def page() -> str:
    """The text of docs/cli.md."""
    found = list(_all(commands, ()))
    overview = ["| command | does |", "|---|---|"]
    overview += [f"| [`{' '.join(path)}`](#{'-'.join(path)}) | {_first_sentence(command)} |" for path, command in found]
    sections = [text for path, command in found for text in _section(path, command)]
    return "\n\n".join(part.strip() for part in (INTRODUCTION, "\n".join(overview), *sections)) + "\n"


def _all(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name in sorted(group.commands):
        command = group.commands[name]
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from _all(command, (*path, name))


def _first_sentence(command: click.Command) -> str:
    return " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split()).replace("|", "\\|")


def _section(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    yield f"## {' '.join(path)}"
    arguments = [parameter.metavar or parameter.name.upper() for parameter in command.params if isinstance(parameter, click.Argument)]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if isinstance(command, click.Group):
        arguments.append("COMMAND")
    yield f"```\nmtl {' '.join([*path, *(['[OPTIONS]'] if options else []), *arguments])}\n```"
    yield inspect.cleandoc(command.help or "").replace("\b", "")
    if options:
        yield "\n".join(["| option | |", "|---|---|", *map(_option, options)])


def _option(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or _values(option)}"
    default = f" Default: `{option.default}`." if option.show_default and not option.is_flag else ""
    spelt, about = ", ".join(option.opts) + value, (option.help or "") + default
    return f"| `{_cell(spelt)}` | {_cell(about)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _values(option: click.Option) -> str:
    return "|".join(map(str, option.type.choices)) if isinstance(option.type, click.Choice) else option.type.name.upper()
