"""What a run's page shows keeps its place while the run trains, and when it ends. What moves is drawn anew: a drag or a typed text is lost."""

import pytest

from mtl_core.events import RunEnded


def places(block, kind, path=()):
    """The places of all elements of a kind in the page: the number of each block in the one around it."""
    inside = getattr(block, "children", {})
    here = [path] if block.type == kind else []
    return here + [place for index, child in inside.items() for place in places(child, kind, (*path, index))]


@pytest.mark.parametrize("opened", [False, True])
def test_header_and_charts_keep_their_places_when_the_run_ends(open_page, make_run, store, opened):
    """The browser keeps what stood in another place until the whole page is drawn, and shows it twice meanwhile."""
    run = make_run()
    app = open_page("run", run=run.id)
    if opened:
        app.button(key=f"export.{run.id}").click().run()
    assert ("export.close" in [button.key for button in app.button]) == opened
    [title] = places(app.main, "title")
    store.append(run.id, RunEnded("finished", 4, 2.0, 10.0, 1.0))
    app.run()
    assert "What next?" in [tab.label for tab in app.tabs]
    assert places(app.main, "title") == [title]


def said(app):
    """What elements of our own say."""
    return " ".join(str(each.proto.body) for each in app.get("html"))


def test_a_line_about_the_pace_moves_no_chart(open_page, make_run, monkeypatch):
    run = make_run()
    with monkeypatch.context() as busy:
        busy.setattr("ui.run.run_page.slower_than_usual", lambda *_: "Slower than usual: 1 step/s.")
        app = open_page("run", run=run.id)
        assert "Slower than usual" in said(app)
        before = {kind: places(app.main, kind) for kind in ("select_slider", "bidi_component", "image")}
    app.run()
    assert "Slower than usual" not in said(app)
    assert {kind: places(app.main, kind) for kind in before} == before
    assert len(before["select_slider"]) == 3  # two loss weights and the epoch
    assert len(before["bidi_component"]) > 4
