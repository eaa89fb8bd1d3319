"""A study and its answer as plain values for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtl_core.runs.status import RunStatus

if TYPE_CHECKING:
    from mtl_core.studies.answer import Answer
    from mtl_core.studies.study import Study


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer."""
    from mtl_core.studies.label_worth import label_curves

    lines = []
    for line in answer.lines:
        said = line.verdict
        numbers = {} if said is None else {**said.difference.__dict__, "p_holm": said.p_corrected}
        about = {"cell": line.cell, "comparison": line.label, "task": line.task or None, "metric": line.metric.name if line.metric else None}
        about |= {"higher_is_better": line.metric.higher_is_better if line.metric else None if line.task else True, "seeds": list(line.seeds)}
        words = {"verdict": str(said.word) if said else None, "text": said.text if said else None, "more_seeds": said.more_seeds if said else None}
        about |= {"baseline": line.baseline, "value": line.value, "baseline_chosen_among": line.chosen_among}
        lines.append(about | numbers | words)
    return {
        **study_as_json(answer.study),
        "split": answer.split,
        "finished": answer.count(RunStatus.FINISHED.value),
        "total": answer.total,
        "comparisons": lines,
        "delta_m": {cell: {"mean_over_tasks": gains, "mean_over_metrics": drops} for cell, (gains, drops) in answer.delta_m.items()},
        "robust": {
            cell: {"interquartile_mean": found[0], "low": found[1], "high": found[2], "probability_of_improvement": found[3]}
            for cell, found in answer.robust.items()
        },
        "mean_rank": answer.ranks,
        "checkpoint_regret": answer.regrets,
        "front": answer.front and answer.front.__dict__,
        "groupings": {
            str(budget): {
                "networks": [answer.group_names[place] for place in grouping.networks],
                "mean_gain_percent": grouping.mean_gain,
            }
            for budget, grouping in answer.groupings.items()
        },
        "labels": [curve.__dict__ for curve in label_curves(answer)],
        "runs": [
            {"cell": cell, "seed": seed, "run": answer.run_ids[cell, seed], "data_hash": answer.data_hashes.get((cell, seed))}
            for cell, seed in sorted(answer.run_ids)
        ],
        "notes": answer.notes,
    }


def study_as_json(found: Study) -> dict[str, Any]:
    """The JSON object of a study, without its answer."""
    plain = {key: getattr(found, key) for key in ("kind", "title", "created_at", "state", "precision", "layout")}
    cells = [{"key": cell.key, "label": cell.label} for cell in found.cells]
    return {"study": found.id, **plain, "seeds": list(found.seeds), "settings": found.settings.model_dump(mode="json"), "cells": cells}
