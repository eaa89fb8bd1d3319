"""Race: the same settings under several balancing methods, side by side."""

import streamlit as st

from mtl_core.runs.method_race import runs_of
from ui.compare.race_view import no_race, races, show_race
from ui.shell.error_boundary import run_inside_app
from ui.shell.page_address import set_address
from ui.shell.state import run_store


def main() -> None:
    asked = st.query_params.get("race", "")
    shown = asked or next(iter(races()), "")
    if not shown or not runs_of(run_store(), shown):
        no_race(asked)
        return
    set_address({"race": shown})
    show_race(shown)


run_inside_app()
main()
