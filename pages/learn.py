"""Learn: how balancing methods decide, on two parameters that can be seen."""

import streamlit as st

from ui.shell.error_boundary import run_inside_app
from ui.shell.state import torch_is_ready


def main() -> None:
    st.title("Learn", anchor=False)
    if not torch_is_ready():
        return
    from ui.learn.gradient_plotter import draw_plotter
    from ui.learn.plane_section import draw_plane

    plane, by_hand = st.tabs(["The plane", "Gradients by hand"])
    with plane:
        draw_plane()
    with by_hand:
        draw_plotter()


run_inside_app()
main()
