"""Viewers of a run share its figures: when one is made anew."""

from mtl_core.analysis.scalar_rows import ScalarRows, scalar_rows
from mtl_core.events import Message, StepScalars
from mtl_core.figures.curves import curve_chart
from ui.drawing.run_charts import FIRST_ROWS, View, current_chart, one_curve, scalars_feed

VIEW = View(0.6, "step", False)


def test_viewers_share_a_figure_with_the_same_marks_only(make_run, store):
    run = make_run()
    feed, built = scalars_feed(store, run.id), []

    def build(frame):
        built.append(frame)
        return curve_chart([one_curve(frame, "optimizer/lr", "lr", "#000000", "step")])

    for marks in ((0, None), (0, None), (1, None), (1, None)):
        current_chart({**feed, "marks": marks}, "lr", VIEW, build, "")
    assert len(built) == 2


def test_the_first_curves_are_in_the_first_figure_that_is_asked_for_after_them(make_run, store):
    """Later, viewers who ask soon after one another share a figure that is a moment old."""
    run = make_run()
    feed, frame = scalars_feed(store, run.id), scalars_feed(store, run.id)["rows"].frame.assign(key="optimizer/lr")

    def points(row: int) -> int:
        built.clear()
        current_chart({**feed, "row": row, "rows": scalar_rows(frame.head(row))}, "lr", VIEW, build, "")
        return len(built)

    def build(frame):
        built.append(frame)
        return curve_chart([one_curve(frame, "optimizer/lr", "lr", "#000000", "step")])

    built: list = []
    feed["figures"].clear()
    assert [points(row) for row in (0, 1, 2, 2, FIRST_ROWS, FIRST_ROWS + 1)] == [1, 1, 1, 0, 1, 0]


def test_a_figure_is_made_anew_only_for_new_rows_that_it_shows(make_run, store, monkeypatch):
    monkeypatch.setattr("ui.drawing.run_charts.CHART_SECONDS", -1.0)
    run, built = make_run(), []

    def build(rows):
        built.append(rows)
        return curve_chart([one_curve(rows, "optimizer/lr", "lr", "#000000", "step")])

    def ask(key="", **about):
        if key:
            store.append(run.id, StepScalars(50 + len(built), 9.0, {key: 0.5}))
            store.append(run.id, Message("which stores the step at once"))
        current_chart({**scalars_feed(store, run.id), **about}, "lr", VIEW, build, "")
        return len(built)

    assert [ask(), ask("train/digit/loss"), ask("optimizer/lr"), ask(), ask("loss_weight/digit")] == [1, 1, 2, 2, 2]
    behind = ScalarRows(store.scalars(run.id))
    longer = behind.with_newer(behind.frame)
    assert [ask("a", baseline=behind), ask("b", baseline=behind), ask("c", baseline=longer)] == [3, 3, 4], "the baseline is drawn, too"
