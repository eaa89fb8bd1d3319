"""Links from runs to their races."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.runs.method_race import race_in


def race_links(runs: Iterable[Any]) -> None:
    """Draw a link for each race of these runs; nothing where there is none."""
    for race in dict.fromkeys(filter(None, (race_in(run.tags) for run in runs))):
        st.page_link("pages/race.py", label=tr("Compare the methods of {race}", race=race), icon=":material/flag:", query_params={"race": race})
