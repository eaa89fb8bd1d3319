"""``runs branch``: the network that a run's sharing scheme has found, as a config."""

from __future__ import annotations

import click

from mtl_core.cli.output import JSON, emit_data, emit_json, json_refusals
from mtl_core.runs.chosen_sharing import chosen_config
from mtl_core.runs.store import open_store


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--checkpoint", metavar="K", default="last", show_default=True, help="State to look at: 'last', 'best', 'best:TASK', or a kept epoch's number."
)
@JSON
def branch(run_id: str, checkpoint: str, as_json: bool) -> None:
    """Print the config that trains the network which RUN's sharing scheme has found, from its starting values.

    For schemes that search, such as learning to branch: 'mtl runs branch RUN > tree.yaml', then 'mtl train tree.yaml'. All other settings are RUN's.
    """
    with json_refusals(as_json):
        config = chosen_config(open_store(), run_id, checkpoint)
    if as_json:
        emit_json(config.to_dict())
    else:
        emit_data(config.to_yaml())
