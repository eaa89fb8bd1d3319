"""Links from runs to their races."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.runs.method_race import race_in


def race_links(runs: Iterable[Any], is_short: bool = False) -> None:
    """Draw a link for each race of these runs; nothing where there is none.

    Args:
        is_short: one word, which the mouse explains, for a place beside many buttons.
    """
    for race in dict.fromkeys(filter(None, (race_in(run.tags) for run in runs))):
        about = tr("Compare the methods of {race}", race=race)
        label, explained = (tr("Race"), about) if is_short else (about, None)
        st.page_link("pages/race.py", label=label, help=explained, icon=":material/flag:", query_params={"race": race})
