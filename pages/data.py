"""Data: the data sets with their targets drawn and counted, and the import of own images."""

import streamlit as st

from mtl_core.language import mark, tr
from ui.data.data_gallery import gallery
from ui.data.data_numbers import numbers
from ui.data.data_sets import chosen_set, known_sets, prepared_set, set_header
from ui.data.preprocessing_preview import preprocessing_view
from ui.importing.import_panel import import_panel
from ui.shell.error_boundary import run_inside_app
from ui.shell.page_address import set_address
from ui.shell.state import hold, is_choice
from ui.shell.words import translated
from ui.train.form_autosave import keep_draft_elsewhere

VIEWS = {"images": mark("Images"), "numbers": mark("In numbers"), "preprocessing": mark("Preprocessing")}


def main() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(tr("Data"), anchor=False, width="content")
        st.space("stretch")
        if "new" not in st.query_params:
            st.button(tr("Bring your own images"), icon=":material/add_photo_alternate:", key="data.new", on_click=_open_import)
    if "new" in st.query_params:
        import_panel()
        return
    entry = chosen_set(known_sets())
    if entry is None:
        return
    set_header(entry)
    ready = prepared_set(entry)
    if ready is None:
        return
    view = _view()
    if view == "images":
        gallery(entry, ready["data"])
    elif view == "preprocessing":
        preprocessing_view(entry, ready["data"])
    else:
        numbers(entry, ready["data"], ready["report"])


def _open_import() -> None:
    set_address({"new": "1"})


def _view() -> str:
    """The chosen view of the set, kept in the address."""
    asked = st.query_params.get("view")
    value = asked if asked in VIEWS else "images"
    hold("data.view", value)

    def take() -> None:
        if is_choice("data.view", value):
            set_address({"view": st.session_state["data.view"]})

    st.segmented_control(
        tr("View"),
        list(VIEWS),
        default=value,
        required=True,
        key="data.view",
        format_func=translated(VIEWS),
        on_change=take,
        label_visibility="collapsed",
    )
    return value


run_inside_app()
main()
keep_draft_elsewhere()
