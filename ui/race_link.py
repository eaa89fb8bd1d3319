"""From runs to the races that they are part of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from mtl_core.runs.race import race_in


def race_links(runs: Iterable[Any]) -> None:
    """A link for each race among these runs; nothing where there is none."""
    for race in dict.fromkeys(filter(None, (race_in(run.tags) for run in runs))):
        st.page_link("pages/race.py", label=f"Side by side: {race}", icon=":material/flag:", query_params={"race": race})
