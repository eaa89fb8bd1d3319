"""``study cost``: what one network costs at inference, against a network for each task, measured with a study's own networks."""

from __future__ import annotations

from typing import Any

import click

from mtl_core.cli.output import JSON, emit, emit_json, emit_table, json_refusals, say
from mtl_core.runs.store import open_store
from mtl_core.studies.answer import Answer, answer_of
from mtl_core.studies.priced_grouping import UNITS, divisions, priced


@click.command()
@click.argument("study_id", metavar="STUDY")
@JSON
def cost(study_id: str, as_json: bool) -> None:
    """Measure the networks of STUDY on this machine: parameters, multiply-adds, memory, file, milliseconds with PyTorch and ONNX Runtime.

    The networks are those of the first seed that has finished in all of them. Nothing is trained. Where the tasks can be divided among networks,
    it lists the best division for every budget of multiply-adds and milliseconds.
    """
    from mtl_core.studies import study_actions as studies
    from mtl_core.studies.cost_receipt import measure_receipt

    with json_refusals(as_json):
        store = open_store()
        answer = answer_of(store, studies.get(store, study_id))
        receipt = measure_receipt(store, answer, lambda share, text: say(text))
    found = receipt.to_dict()
    found["divisions"] = _divisions(answer, found)
    if as_json:
        emit_json(found)
        return
    emit(f"seed {receipt.seed}; measured on {receipt.device}")
    rows = [row_of(network) for network in (found["shared"], *found["apart"], found["all_apart"], *found["others"])]
    emit_table(list(rows[0]), [list(row.values()) for row in rows], numbers=list(rows[0])[1:])
    for unit, best in found["divisions"].items():
        emit(f"\nbest division for a budget in {UNITS[unit]}")
        rows = [(f"{each['cost']:.3g}", "; ".join(each["networks"]), f"{each['mean_gain_percent']:+.2f}") for each in best]
        emit_table(("from", "networks", "mean gain (%)"), rows, numbers=("from", "mean gain (%)"))
    if receipt.without_onnx:
        say(f"no times of ONNX Runtime: {receipt.without_onnx}")


def _divisions(answer: Answer, receipt: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Unit of a budget -> the best divisions of the tasks, the cheapest first; only units with a measurement of every network."""
    found = {}
    for unit in UNITS if answer.groupings else ():
        networks = priced(answer, receipt, unit)
        best = divisions(networks, answer) if len(networks) == len(answer.group_networks) else []
        if best:
            found[unit] = [
                {
                    "cost": grouping.cost,
                    "networks": [networks[place].name for place in grouping.networks],
                    "served_by": {task: networks[place].name for task, place in grouping.serves.items()},
                    "mean_gain_percent": grouping.mean_gain,
                }
                for grouping in best
            ]
    return found


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
        "multiply-adds": f"{network['multiply_adds']:.3g}",
        "memory (MB)": f"{network['memory'] / 1e6:.3g}",
        "file (MB)": f"{network['file'] / 1e6:.3g}",
        **times,
    }
