"""What a widget shows is its default too, and a late report of it changes no address.

A script run that another one cuts short may have set a widget's value without the browser hearing of it. The browser then shows the widget's own
default and reports it as the viewer's choice: sliders at their lowest value have set loss weights to 0 that way (ui/shell/state.py, hold).
"""

import time

import pytest

from mtl_core.runs import method_race
from tests.pages.conftest import FOLDED, TABS, config
from tests.pages.test_evaluation import stored

PATIENCE = 60  # seconds; a bound for slow machines
PAGES = [
    ("train", "finished", {}),
    ("run", "paused", {}),
    ("run", "finished", {}),
    ("run", "finished", {"view": "evaluation"}),
    ("predictions", "finished", {}),
    ("predictions", "finished", {"sample": "1"}),
    ("compare", "finished", {}),
    ("race", "finished", {}),
    ("data", "finished", {"data": "digits"}),
    ("data", "finished", {"data": "digits", "view": "preprocessing"}),
    ("data", "finished", {"new": "1"}),
    ("predictions", "finished", {"view": "own"}),
    ("studies", "finished", {}),
    ("studies", "finished", {"new": "1"}),
    ("learn", "finished", {}),
]


def shown_and_default(app):
    """Of each widget: its key, what it shows, and its default, in the terms that the browser is told."""
    for one in app.slider:
        yield one.key, [one.value], list(one.proto.default)
    for one in app.select_slider:
        yield one.key, [one.options.index(one.format_func(one.value))], list(one.proto.default)
    for one in app.selectbox:
        yield one.key, one.index, one.proto.default if one.proto.HasField("default") else None
    for one in app.number_input:
        yield one.key, one.value, one.proto.default if one.proto.HasField("default") else None
    for one in app.multiselect:
        yield one.key, [one.options.index(one.format_func(value)) for value in one.value], list(one.proto.default)
    for one in app.button_group:
        yield one.key, list(one.indices), list(one.proto.default)
    for one in (*app.checkbox, *app.toggle):
        yield one.key, one.value, one.proto.default
    for one in (*app.text_input, *app.text_area):
        yield one.key, one.value or "", one.proto.default


@pytest.mark.parametrize(("page", "state", "query"), PAGES, ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else value)
def test_what_a_widget_shows_is_its_default_and_a_report_of_it_changes_no_address(store, in_state, open_page, report_all, page, state, query):
    first = method_race.start(store, config(name="base"), ["fixed", "pcgrad"])
    method_race.start(store, config(name="another"), ["fixed", "pcgrad"])
    run = in_state(state, tasks={"digit": {"loss_weight": 2.5}, "slant": {}}, optimizer={"lr": 0.02})
    if query.get("view") == "evaluation":
        stored(store, run)
    in_state("queued", name="the newest")
    address = {"race": first} if page == "race" else {"run": run.id} if page in ("run", "predictions") else {}
    app = open_page(page, unfolded=FOLDED, tabs=TABS, **address, **query)
    deadline = time.monotonic() + PATIENCE
    while not (widgets := list(shown_and_default(app))):  # the data are being prepared
        assert time.monotonic() < deadline
        app.run()
    assert [(key, shown) for key, shown, _ in widgets] == [(key, default) for key, _, default in widgets]

    # A browser may report a page's widgets again after a click that leaves the page, and Streamlit then takes what they show for choices.
    late, here = app._tree.get_widget_states(), address_of(app)
    report_all(app)
    assert address_of(app) == here
    app.query_params.clear()
    for section in FOLDED:
        app.session_state[f"{section}.open"] = False
    app.switch_page("pages/train.py")
    report_all(app, late)  # with the click that leaves the page
    assert address_of(app) == {}


def address_of(app):
    return {key: app.query_params[key] for key in app.query_params}
