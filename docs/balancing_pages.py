"""Writes docs/balancing-loss-weighting.md and docs/balancing-gradients.md from the table of balancing methods.

    python -m docs.balancing_pages

A test fails while the pages differ from what this would write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mtl_core.balancing import BALANCERS
from mtl_core.balancing.balancer import GradientAggregator, LossWeighting
from mtl_core.balancing.cost import cost_of, measured_on

FOLDER = Path(__file__).parent
INTRODUCTIONS = {
    "balancing-loss-weighting.md": (
        LossWeighting,
        "# Loss weighting",
        "These methods turn the losses into one number and take one backward pass. Each loss is first multiplied by its loss weight from the config. "
        "`L_t` is the loss of task t, T the number of tasks, T' of those with a labelled image in the batch; the others take no part in that step.",
    ),
    "balancing-gradients.md": (
        GradientAggregator,
        "# Gradient aggregation",
        "These methods take each task's own gradient on what the tasks share, and combine them into one. "
        "The heads get their own task's gradient, where nothing else is said. "
        "`g_i` is the gradient of task i (its loss times its loss weight), `d` the update's direction, G the scalar products `g_i . g_j`, "
        "T' the number of tasks with a labelled image in the batch.\n\n"
        "**Where the gradients are taken.** At `parameters` (the default, as in the papers) each task takes its own pass through the shared network. "
        "At `features` the passes end at the features that the heads read, and one more takes the combined gradient through the shared network: "
        "nearly as fast as a plain step, but another method, because gradients that agree at the features may conflict in the parameters. "
        "For MGDA it is the papers' upper bound, MGDA-UB. It needs a sharing scheme whose tasks all read the same features (hard sharing).\n\n"
        "At `parameters` a step keeps one gradient of the whole shared network for each task. `blocks` is the same method without them: all tasks "
        "pass one block of parameters before the next, a block holds as many numbers as the largest single parameter, and only the gradients of one "
        "block are in memory at a time. From each block the scalar products are kept; the update is one more backward pass, of the tasks' gradients "
        "times their coefficients. The last digits of the sums differ. Methods that need the gradients themselves do not offer it (those without a "
        'number under "by blocks"). It needs the whole batch in one pass, so `accumulate` above 1 is refused.',
    ),
}


def page(name: str) -> str:
    """The text of one page."""
    family, title, introduction = INTRODUCTIONS[name]
    methods = {key: BALANCERS.load(key) for key in BALANCERS}
    methods = {key: method for key, method in methods.items() if issubclass(method, family) and method.__module__.startswith("mtl_core.")}
    parts = [
        "<!-- Written by docs/balancing_pages.py; change the classes in mtl_core/balancing, not this page. -->",
        title,
        introduction,
        f"Cost is the time of a whole training step over one with fixed weights. {measured_on()}.",
        _overview(methods),
        *(_section(key, method) for key, method in methods.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _overview(methods: dict[str, Any]) -> str:
    has_blocks = any(cost.blocks for cost in map(cost_of, methods) if cost)
    head = ["name", "method", "cost", *(["by blocks"] if has_blocks else []), "at features", "promises"]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for key, method in methods.items():
        cost = cost_of(key)
        at_features, by_blocks = ("" if known is None else f"{known:.2f}" for known in ((cost.features, cost.blocks) if cost else (None, None)))
        cells = [f"`{key}`", f"[{method.title}](#{_anchor(method.title)})", f"{cost.parameters if cost else 0:.2f}"]
        cells += [*([by_blocks] if has_blocks else []), at_features, _promises(method)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _promises(method: Any) -> str:
    claims = {
        "no_conflict": "raises no loss",
        "scale_invariant": "blind to a loss's scale",
        "pareto_stationary": "Pareto-stationary end",
        "simplex": "convex combination",
    }
    return ", ".join(words + _only_with(method, claim) for claim, words in claims.items() if getattr(method, claim))


def _only_with(method: Any, claim: str) -> str:
    """`` (normalise: none)`` for a claim that an option may take away."""
    rules = [f"{option}: {' or '.join(map(str, values))}" for option, values in method.only_with.get(claim, {}).items()]
    return f" ({', '.join(rules)})" if rules else ""


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _section(key: str, method: Any) -> str:
    cost = cost_of(key)
    facts = [
        f"**When to use.** {method.when_to_use}",
        f"**Needs.** {method.needs}" if method.needs else "",
        f"**Cost.** A{cost.sentence()[1:]}." if cost else "",
        f"**One task alone.** {method.alone}" if method.alone else "",
        _heads(method),
        f"**Coefficients shown.** {method.inexact}" if method.inexact else "",
        f"**A task that is often absent.** {method.uneven}" if method.uneven else "",
        f"**Deviations.** {method.deviations}" if method.deviations else "",
        f"**Source.** {_source(method.paper)}" if method.paper else "",
    ]
    lines = [f"## {method.title}", method.summary, f"```\n{method.formula}\n```", *(fact for fact in facts if fact), _options(key, method)]
    return "\n\n".join(line for line in lines if line)


def _heads(method: Any) -> str:
    """Only where a gradient method differs from the others, of which the page's head speaks."""
    usual = GradientAggregator.heads if issubclass(method, GradientAggregator) else ""
    return "" if method.heads == usual else f"**Heads.** {method.heads or 'Their gradients are multiplied by the coefficients too.'}"


def _source(paper: Any) -> str:
    place = f", {paper.place}" if paper.place else ""
    return f"{paper.authors} {paper.year}, [{paper.title}]({paper.url}){place}."


def _options(key: str, method: Any) -> str:
    """A row per option but ``gradients``, which the page's head explains."""
    rows = []
    for name, field in method.Options.model_fields.items():
        if name != "gradients":
            rows.append(f"| `{name}` | {field.default} | {field.description} |")
    if not rows:
        return ""
    return "\n".join([f"`balancing: {{name: {key}, ...}}` takes:\n", "| option | default | |", "|---|---|---|", *rows])


def main() -> None:
    for name in INTRODUCTIONS:
        (FOLDER / name).write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main()
