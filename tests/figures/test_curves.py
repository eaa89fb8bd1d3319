import numpy as np
import pandas as pd
import pytest

from mtl_core.figures.curves import Curve, curve_figure, decimate, ema, positions


def test_ema_worked_by_hand():
    # weights of the past halve each step: (0.5*1 + 1*3) / 1.5, then (0.25*1 + 0.5*3 + 1*5) / 1.75
    assert ema(np.array([1.0, 3.0, 5.0]), 0.5) == pytest.approx([1.0, 3.5 / 1.5, 6.75 / 1.75])


def test_ema_without_smoothing_changes_nothing():
    assert ema(np.array([2.0, -1.0, 7.0]), 0.0).tolist() == [2.0, -1.0, 7.0]


def test_ema_of_a_constant_is_that_constant():
    assert ema(np.full(50, 3.25), 0.99) == pytest.approx(np.full(50, 3.25))


def test_ema_leaves_nan_out_and_keeps_it_as_a_gap():
    smoothed = ema(np.array([1.0, np.nan, 3.0]), 0.5)
    assert smoothed[[0, 2]] == pytest.approx([1.0, 3.5 / 1.5])
    assert np.isnan(smoothed[1])


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_ema_refuses_a_share_outside_0_to_1(smoothing):
    with pytest.raises(ValueError, match="expected 0 <= smoothing < 1"):
        ema(np.ones(3), smoothing)


def test_few_points_are_all_kept():
    x, y = decimate(np.arange(5), np.array([3.0, 1.0, 4.0, 1.0, 5.0]), limit=5)
    assert (x.tolist(), y.tolist()) == ([0, 1, 2, 3, 4], [3.0, 1.0, 4.0, 1.0, 5.0])


def test_decimation_worked_by_hand():
    # ends 0 and 9; between them two stretches of four: 1..4 has its low at 2 and high at 4, 5..8 its low at 7 and high at 5
    y = np.array([0.0, 5.0, -9.0, 4.0, 8.0, 7.0, 3.0, 1.0, 2.0, 0.0])
    x, kept = decimate(np.arange(10), y, limit=6)
    assert x.tolist() == [0, 2, 4, 5, 7, 9]
    assert kept.tolist() == [0.0, -9.0, 8.0, 7.0, 1.0, 0.0]


@pytest.mark.parametrize("count", [11, 500, 501, 1999, 20_000])
@pytest.mark.parametrize("limit", [4, 10, 400])
def test_decimation_is_bounded_and_keeps_ends_and_extremes(count, limit):
    y = np.random.default_rng(count).normal(size=count)
    x, kept = decimate(np.arange(count), y, limit)
    assert len(kept) <= max(limit, 4) or count <= limit
    assert (kept.min(), kept.max()) == (y.min(), y.max())
    assert (x[0], x[-1]) == (0, count - 1)
    assert (np.diff(x) > 0).all()
    assert (y[x] == kept).all()


def test_decimation_keeps_a_long_gap_and_the_extremes_beside_it():
    y = np.arange(100.0)
    y[30:70] = np.nan
    x, kept = decimate(np.arange(100), y, limit=20)
    assert np.isnan(kept[(x >= 35) & (x < 65)]).all()
    assert (np.nanmin(kept), np.nanmax(kept)) == (0.0, 99.0)


def test_minutes_are_counted_from_the_start():
    rows = pd.DataFrame({"step": [10, 20], "epoch": [0.5, 1.0], "wall_time": [60.0, 120.0]})
    assert positions(rows, "minutes").tolist() == [1.0, 2.0]
    assert positions(rows, "step").tolist() == [10.0, 20.0]
    assert positions(rows, "epoch").tolist() == [0.5, 1.0]


def test_smoothed_curve_stands_before_its_faint_raw_line():
    curve = Curve("train", np.arange(3.0), np.array([1.0, 3.0, 5.0]), "#0072B2", smooth=True)
    raw, smoothed = curve_figure([curve], smoothing=0.5).data
    assert raw.y.tolist() == [1.0, 3.0, 5.0]
    assert raw.opacity < 0.5
    assert smoothed.y == pytest.approx([1.0, 3.5 / 1.5, 6.75 / 1.75])


def test_smoothing_comes_before_thinning():
    y = np.random.default_rng(0).normal(size=5000)
    curve = Curve("train", np.arange(5000.0), y, "#0072B2", smooth=True)
    _, drawn = curve_figure([curve], smoothing=0.9).data
    assert drawn.y.max() == ema(y, 0.9).max()


def test_values_of_epochs_are_not_smoothed():
    curve = Curve("val", np.arange(3.0), np.array([1.0, 3.0, 5.0]), "#0072B2", dash="dash")
    (drawn,) = curve_figure([curve], smoothing=0.9).data
    assert drawn.y.tolist() == [1.0, 3.0, 5.0]
    assert drawn.line.dash == "dash"


def test_figure_keeps_zoom_and_the_theme_of_the_page():
    layout = curve_figure([], log_y=True).layout
    assert layout.uirevision == "keep"
    assert layout.plot_bgcolor == layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert layout.yaxis.type == "log"


def test_no_trace_is_drawn_with_webgl_or_too_many_points():
    curve = Curve("train", np.arange(20_000.0), np.random.default_rng(1).normal(size=20_000), "#0072B2", smooth=True)
    figure = curve_figure([curve], smoothing=0.5)
    assert {trace.type for trace in figure.data} == {"scatter"}
    assert all(len(trace.y) <= 500 for trace in figure.data)


def test_marks_are_lines_with_words_and_a_faint_curve_has_no_raw_line():
    curve = Curve("before", np.arange(4.0), np.arange(4.0), "#888888", smooth=True, faint=True)
    figure = curve_figure([curve], smoothing=0.9, marks=[(2.0, "forked here")])
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(2.0, 2.0)]
    assert [note.text for note in figure.layout.annotations] == ["forked here"]
    assert len(figure.data) == 1


def test_words_of_marks_near_an_end_are_not_cut_off():
    def anchors(*places, **looks):
        curve = Curve("train", np.array([np.nan, 20.0, 100.0]), np.zeros(3), "#888888")
        return [note.xanchor for note in curve_figure([curve], marks=[(place, "ink 1 → 3") for place in places], **looks).layout.annotations]

    assert anchors(1.0, 11.0, 13.0, 50.0, 87.0, 89.0, 100.0) == ["left", "left", "center", "center", "center", "right", "right"]
    assert anchors(11.0, 89.0, x_range=(-50.0, 200.0)) == ["center", "center"]
    assert anchors(-30.0, x_range=(-50.0, 200.0)) == ["left"]  # minutes before a fork


def test_markers_leave_the_dashes_of_longer_curves_to_be_seen():
    def drawn(count):
        curves = [Curve(name, np.arange(count), np.arange(float(count)), "#0072B2", dash) for name, dash in (("train", "solid"), ("val", "dash"))]
        return [(trace.mode, trace.marker.symbol, trace.line.dash) for trace in curve_figure(curves).data]

    assert drawn(12) == [("lines+markers", "circle", "solid"), ("lines+markers", "circle-open", "dash")]
    assert drawn(13) == [("lines", "circle", "solid"), ("lines", "circle-open", "dash")]
    assert [mode for mode, *_ in drawn(1)] == ["markers", "markers"]


@pytest.mark.parametrize(
    ("values", "bottom", "top"),
    [
        ([0.2, 0.6], 0.18, 0.62),  # 5 % of the span on both sides
        ([0.00015, 0.00017], -0.002, 0.105),  # nothing learnt: not magnified, and half a line's width below 0
        ([0.0], -0.002, 0.105),
        ([0.5], 0.445, 0.555),
        ([0.0, 1.0], -0.02, 1.02),
        ([0.99, 0.995], 0.979, 1.0004),  # close to 1 less is shown
        ([1.0], 0.9895, 1.0002),
    ],
)
def test_shares_stay_within_0_and_1_and_noise_does_not_fill_the_chart(values, bottom, top):
    curve = Curve("val", np.arange(len(values)), np.array([*values]), "#0072B2")
    assert curve_figure([curve], share=True).layout.yaxis.range == pytest.approx((bottom, top))


def test_an_index_below_0_and_other_values_have_the_range_that_they_need():
    def axis(values, **options):
        return curve_figure([Curve("val", np.arange(len(values)), np.array([*values]), "#0072B2")], **options).layout.yaxis

    assert axis([-0.5, 0.5], share=True).range is None
    assert axis([1.0, 2.0]).range is None
    assert axis([2.0, 2.01]).range == pytest.approx((1.9829, 2.0271), abs=2e-4)  # 2 % of 2.01, and 5 % of that on both sides
    assert axis([2.0]).range == axis([2.0, 2.0]).range == pytest.approx((0.9, 3.1))  # as a loss weight that stays: the ticks are 1, 2, 3
    assert axis([-2.0]).range == pytest.approx((-3.1, -0.9))
    assert axis([0.0]).range == pytest.approx((-0.02, 1.05))
    assert axis([2.0], log_y=True).range is None


def test_a_logarithmic_axis_of_a_few_decades_has_three_ticks_in_each():
    def ticks(*values, log_y=True):
        return curve_figure([Curve("train", np.arange(len(values)), np.array([*values]), "#0072B2")], log_y=log_y).layout.yaxis.dtick

    assert ticks(0.003, 0.04) == ticks(1.0, 1000.0) == "D2"
    assert ticks(0.5, 0.8) is ticks(0.001, 10.0) is ticks(0.0, 0.0) is ticks() is ticks(0.003, 0.04, log_y=False) is None


def test_no_room_is_kept_for_the_title_of_an_x_axis_that_has_none():
    curve = Curve("train", np.arange(3.0), np.arange(3.0), "#0072B2")
    assert curve_figure([curve], x_title="step").layout.xaxis.title.text == "step"
    assert "title" not in curve_figure([curve]).layout.xaxis.to_plotly_json()


def test_a_low_chart_has_as_many_ticks_as_labels_fit_above_each_other():
    def axis(*values, **looks):
        return curve_figure([Curve("train", np.arange(len(values)), np.array([*values]), "#0072B2")], **looks).layout.yaxis

    marks = [(1.0, "a change")]
    assert axis(1.0, 9.0, height=84).nticks == 3  # (84 - 6 - 24) / 16
    assert axis(1.0, 9.0, height=84, marks=marks).nticks == 2  # (84 - 18 - 24) / 16
    assert axis(1.0, 9.0, height=84, x_title="step", marks=marks).nticks == 2  # never fewer, although the title takes more
    assert axis(1.0, 9.0, height=200, x_title="step", legend=True, marks=marks).nticks == 5  # no more than before, although 7 fit
    assert axis(1.0, 9.0, height=84, log_y=True).dtick == "D2"  # 1, 2, 5
    assert axis(0.5, 9.0, height=84, log_y=True).dtick == 1  # 1 and 10: seven labels of 0.5 to 50 would overlap
    assert axis(1.0, 9.0, height=84, log_y=True, marks=marks).dtick is None  # within a decade a power of 10 may be missing


def test_ticks_have_the_digits_that_tell_them_apart():
    def digits(*values):
        return curve_figure([Curve("val", np.arange(len(values)), np.array([*values]), "#0072B2")]).layout.yaxis.tickformat

    assert digits(0.0, 1.0) == ".3~g"
    assert digits(0.273) == ".3~g"  # a constant: its axis is as long as it is high
    assert digits(0.273, 0.274) == ".4~g"  # ticks about 0.001 apart
    assert digits(230.0, 235.0) == ".4~g"


def test_large_values_are_written_without_powers_of_ten():
    def digits(low, high):
        return curve_figure([Curve("val", np.arange(2), np.array([low, high]), "#0072B2")]).layout.yaxis.tickformat

    assert digits(0.0, 999.0) == ".3~g"
    assert digits(0.0, 1200.0) == ",.3~r"
    assert digits(12_000.0, 12_400.0) == ",.4~r"
    assert digits(0.0, 2e6) == ".3~g"
    hovers = [curve_figure([Curve("val", np.arange(2), np.array([0.0, high]), "#0072B2")]).data[0].hovertemplate for high in (9_999.0, 12_000.0, 1e9)]
    assert hovers == ["%{y:.4g}", "%{y:,.6~r}", "%{y:.4g}"]


def test_the_x_axis_has_whole_ticks_where_all_positions_are_whole():
    def axis(*places, **looks):
        return curve_figure([Curve("val", np.array(places), np.zeros(len(places)), "#0072B2")], **looks).layout.xaxis

    assert axis(1.0, 2.0).dtick == 1  # Plotly alone has 0.5 and 1.5
    assert axis(1.0, 5.0).dtick == 1
    assert axis(1.0, 6.0).dtick is None  # Plotly chooses among whole numbers by itself
    assert axis(0.5, 1.0, 1.5).dtick is None  # steps as parts of epochs
    assert axis(1.0, 2.0, x_range=(0.0, 2.5)).dtick is None
    assert axis(1.0, 2.0, x_range=(0.0, 40.0)).dtick is None
    assert axis().dtick is None
    assert {axis(1.0, 2.0).tickformat, axis(0.1).tickformat} == {","}


NAN = float("nan")


@pytest.mark.parametrize(
    ("behind", "before", "width"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 5.0),
        ([1.0, 2.0, 3.0], [1.0, 2.001, 3.0], 5.0),  # within one part in a thousand
        ([1.0, 2.0, 3.0], [1.0, 2.01, 3.0], 2.0),  # the same ends, another middle
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.01], 2.0),
        ([1.0, 2.0, NAN], [1.0, 2.0, NAN], 5.0),
        ([1.0, 2.0, NAN], [1.0, 2.0, 3.0], 2.0),
        ([1.0, 2.0, float("inf")], [1.0, 2.0, float("inf")], 5.0),
        ([1.0, 2.0], [1.0, 2.0, 3.0], 2.0),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 5.0),
    ],
)
def test_of_two_curves_that_coincide_the_one_behind_is_wider(behind, before, width):
    curves = [Curve(name, np.arange(len(y)), np.array(y), "#000000") for name, y in (("behind", behind), ("before", before))]
    assert [trace.line.width for trace in curve_figure(curves).data] == [width, 2.0]
