"""The network that the Predictions page uses: the best checkpoint over all tasks, or the best of one task."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.training.checkpoint_files import BEST_OF, KeptCheckpoint, kept_checkpoints
from ui.shell.page_address import set_address
from ui.shell.run_picker import box_width
from ui.shell.state import hold_first, run_store
from ui.shell.words import plain

BEST = "best"
ADDRESS = "network"  # name in the address


def asked_network() -> str:
    """The choice in the address: ``best``, or ``best:TASK``."""
    asked = st.query_params.get(ADDRESS, BEST)
    return asked if asked.startswith(BEST_OF) else BEST


def networks_of(run: Any) -> dict[str, KeptCheckpoint]:
    """``best`` and ``best:TASK`` -> the checkpoint, for those that the run has."""
    kept = kept_checkpoints(run_store().folder(run.id))
    best = next((each for each in kept if each.is_best), None)
    return ({BEST: best} if best else {}) | {f"{BEST_OF}{task}": each for each in kept for task in each.best_of}


def network_of(run: Any) -> tuple[str, str]:
    """The run's checkpoint that is asked for, as ``best:TASK`` and by its name; its best one where it has no such checkpoint, which the page says.

    Two empty texts before the run has a checkpoint.
    """
    found, asked = networks_of(run), asked_network()
    if asked not in found and BEST in found:
        if asked != BEST:
            said = tr("{name} keeps no best checkpoint of {task}, so its best one over the tasks is used.", name=shown_name(run), task=task_in(asked))
            st.caption(plain(said))
        asked = BEST
    return (asked, found[asked].name) if asked in found else ("", "")


def task_in(network: str) -> str:
    """The task in ``best:TASK``."""
    return network.removeprefix(BEST_OF)


def network_title(network: str, epoch: int) -> str:
    """A network as the viewer chooses it: ``Best checkpoint, epoch 4``, ``Best of digit, epoch 3``."""
    if network == BEST:
        return tr("Best checkpoint, epoch {epoch}", epoch=epoch)
    return tr("Best of {task}, epoch {epoch}", task=task_in(network), epoch=epoch)


def network_choice(run: Any) -> None:
    """Draw the choice of the network, which the address holds."""
    found = networks_of(run)
    if not found:
        return
    key = f"predictions.network.{run.id}"
    options = list(found)
    held = hold_first(key, asked_network() if asked_network() in found else options[0], options)

    def title(network: str) -> str:
        return network_title(network, found[network].epoch)

    kept: dict[str, Any] = {"label_visibility": "collapsed", "width": box_width(title(held))}
    chosen = st.selectbox(tr("Network"), options, options.index(held), format_func=title, key=key, **kept)
    set_address({ADDRESS: None if chosen == BEST else chosen})
