"""``study cost``: what one network costs at inference, against a network for each task, measured with a study's own networks."""

from __future__ import annotations

from typing import Any

import click

from mtl_core.cli.output import JSON, emit, emit_json, emit_table, json_refusals, say
from mtl_core.language import HalfUp
from mtl_core.runs.store import open_store
from mtl_core.studies.answer import answer_of
from mtl_core.studies.priced_grouping import BudgetTable, budget_tables
from mtl_core.studies.task_affinity import study_affinity


@click.command()
@click.argument("study_id", metavar="STUDY")
@JSON
def cost(study_id: str, as_json: bool) -> None:
    """Measure the networks of STUDY on this machine: parameters, multiply-adds, memory, file, milliseconds with PyTorch and ONNX Runtime.

    The networks are those of the first seed that has finished in all of them. Nothing is trained. Where the tasks can be divided among networks,
    it lists the best division for every budget of multiply-adds and milliseconds: by the measured gains, and by those that the affinities predict.
    """
    from mtl_core.studies import study_actions as studies
    from mtl_core.studies.cost_receipt import measure_receipt

    with json_refusals(as_json):
        store = open_store()
        answer = answer_of(store, studies.get(store, study_id))
        receipt = measure_receipt(store, answer, lambda share, text: say(text))
    found = receipt.to_dict()
    tables = [each for each in budget_tables(answer, study_affinity(store, answer), found) if not each.left_out]
    found["divisions"] = {each.unit: _rows(each, "mean_gain_percent") for each in tables if not each.is_predicted}
    found["predicted_divisions"] = {each.unit: _rows(each, "mean_affinity") for each in tables if each.is_predicted}
    if as_json:
        emit_json(found)
        return
    emit(f"seed {receipt.seed}; measured on {receipt.device}")
    rows = [row_of(network) for network in (found["shared"], *found["apart"], found["all_apart"], *found["others"])]
    emit_table(list(rows[0]), [list(row.values()) for row in rows], numbers=list(rows[0])[1:])
    if receipt.untrained:
        emit("not trained by the study, so measured with random values: " + ", ".join(receipt.untrained))
    for each in tables:
        emit(f"\n{each.title}")
        rows = [(f"{HalfUp(grouping.cost):.3g}", "; ".join(each.names(grouping)), each.gain(grouping)) for grouping in each.divisions]
        gain = "mean affinity (%)" if each.is_predicted else "mean gain of main metrics (%)"
        emit_table(("from", "networks", gain), rows, numbers=("from", gain))
    if receipt.without_onnx:
        say(f"no times of ONNX Runtime: {receipt.without_onnx}")


def _rows(table: BudgetTable, gain: str) -> list[dict[str, Any]]:
    """The divisions as plain values; ``gain`` is the name of the mean gain."""
    return [
        {
            "cost": grouping.cost,
            "networks": table.names(grouping),
            "served_by": table.served_by(grouping),
            gain: grouping.mean_gain,
        }
        for grouping in table.divisions
    ]


def row_of(network: dict[str, Any]) -> dict[str, str]:
    """A network as a row of texts; times are milliseconds of a batch."""
    times = {
        f"{title}, {batch} image{'' if int(batch) == 1 else 's'} (ms)": f"{value:.3g}"
        for title, key in (("PyTorch", "torch_ms"), ("ONNX", "onnx_ms"))
        for batch, value in network[key].items()
    }
    return {
        "network": network["label"],
        "parameters": f"{network['parameters']:,}",
        "multiply-adds": f"{HalfUp(network['multiply_adds']):.3g}",
        "memory (MB)": f"{network['memory'] / 1e6:.3g}",
        "file (MB)": f"{network['file'] / 1e6:.3g}",
        **times,
    }
