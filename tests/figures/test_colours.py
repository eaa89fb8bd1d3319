import re
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mtl_core.figures.colours import DRAWN_BY_HAND, FALSE, GREY, MISSED, PALETTE, RIGHT, TASK_PALETTE, ink_on, run_styles, task_colours
from mtl_core.figures.plane_charts import losses_figure, plane_figure


def test_task_colours_go_by_place():
    assert task_colours(["digit", "count", "boxes"]) == {"digit": "#0072B2", "count": "#D55E00", "boxes": "#009E73"}


def test_a_task_named_twice_takes_one_place():
    assert task_colours(["a", "b", "a", "c"]) == {"a": PALETTE[0], "b": PALETTE[1], "c": PALETTE[2]}


def test_more_tasks_than_colours_begin_again():
    colours = task_colours([str(number) for number in range(13)])
    assert len({colours[str(number)] for number in range(12)}) == 12
    assert colours["12"] == colours["0"]


def test_a_new_run_leaves_the_older_ones_as_they_were():
    older = [f"run{number}" for number in range(9)]
    assert {run: style for run, style in run_styles([*older, "new"]).items() if run != "new"} == run_styles(older)


def test_runs_of_one_colour_differ_in_dash():
    styles = run_styles([str(number) for number in range(28)])
    assert styles["0"] == ("#0072B2", "solid")
    assert styles["7"] == ("#0072B2", "dash")
    assert len(set(styles.values())) == 28


SEEN_BY = {  # of linear RGB: G. M. Machado, M. M. Oliveira and L. A. F. Fernandes 2009, severity 1
    "all": np.eye(3),
    "protanopes": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopes": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanopes": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}


def lab(colour, seen):
    values = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.clip(seen @ np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4), 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear / (0.9505, 1, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_no_task_is_grey():
    """Grey is for what belongs to no task: no label, the shared part, before the fork. CIELAB chroma; 0 is grey."""
    assert min(np.hypot(*lab(colour, SEEN_BY["all"])[1:]) for colour in TASK_PALETTE) > 20


@pytest.mark.parametrize("who", SEEN_BY)
def test_colours_of_marks_runs_and_tasks_are_far_apart_for(who):
    """Before colours had to have a contrast of 3 in both themes, the closest pair of twelve tasks was 16.05 apart (tritanopes)."""
    for colours in (TASK_PALETTE, PALETTE, (RIGHT, MISSED, FALSE)):
        places = [lab(colour, SEEN_BY[who]) for colour in colours]
        assert min(np.linalg.norm(one - other) for one, other in combinations(places, 2)) > 16.4


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_palette_can_be_read_on_light_and_dark():
    for colour in TASK_PALETTE:
        on_white, on_black = 1.05 / (luminance(colour) + 0.05), (luminance(colour) + 0.05) / 0.05
        assert min(on_white, on_black) > 2, colour


ROOT = Path(__file__).parents[2]
NAMED = list(dict.fromkeys([*TASK_PALETTE, GREY, RIGHT, MISSED, FALSE]))  # in an order that every worker has


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def backgrounds():
    """Of the pages (page, panel and card) and of the pages that are saved, in both themes."""
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    saved = (ROOT / "mtl_core" / "html_pages" / "page.css").read_text(encoding="utf-8")
    found = {theme[name][key] for name in ("light", "dark") for key in ("backgroundColor", "secondaryBackgroundColor")}
    screen = saved.partition("@media print")[0]
    return sorted(found | {colour if len(colour) == 7 else f"#{colour[1:] * 2}" for colour in re.findall(r"--(?:ground|box):(#\w+)", screen)})


@pytest.mark.parametrize("background", backgrounds())
def test_what_is_drawn_has_a_contrast_of_3_on(background):
    """WCAG 2.2, 1.4.11: graphics that are needed to understand the content."""
    assert {colour: round(contrast(colour, background), 2) for colour in NAMED if contrast(colour, background) < 3} == {}


def test_one_file_names_the_colours():
    """The theme has the runs' palette for Streamlit's own charts: its file takes plain values only."""
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    assert theme["chartCategoricalColors"] == list(PALETTE)
    files = [
        path for folder in ("mtl_core", "ui", "pages") for path in (ROOT / folder).rglob("*.*") if path.suffix in (".py", ".js", ".css", ".html")
    ]
    own = [path for path in files if path.name != "colours.py" and ".min." not in path.name]
    assert len(own) > 400
    twice = {
        path.name: found
        for path in own
        if (found := set(NAMED) & {each.upper() for each in re.findall(r"#\w{6}\b", path.read_text(encoding="utf-8"))})
    }
    assert twice == {}


@pytest.mark.parametrize("colour", [*NAMED, "#000000", "#FFFFFF", "#808080", "#FFFF00", "#0000FF"])
def test_words_and_outlines_stand_out_from(colour):
    ink = "#{:02X}{:02X}{:02X}".format(*ink_on(bytes.fromhex(colour[1:])))
    assert contrast(colour, ink) > 4.5


def on(background, colour, opacity):
    """The colour that is seen where a drawing lets its background through."""
    pairs = [(int(colour[start : start + 2], 16), int(background[start : start + 2], 16)) for start in (1, 3, 5)]
    return "#" + "".join(f"{round(opacity * own + (1 - opacity) * below):02X}" for own, below in pairs)


def test_thin_lines_of_the_plane_can_be_read_in_both_themes():
    theme = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    x = np.linspace(-1, 1, 5)
    front, losses = np.array([[-1.0, 0.0], [1.0, 0.0]]), np.stack([np.add.outer(x, x), np.subtract.outer(x, x)])
    drawn = [*plane_figure((x, x, losses), front, [], (0, 0), None).data, *losses_figure(front, []).data]
    lines = [(trace.line.color, 1.0 if trace.opacity is None else trace.opacity) for trace in drawn if trace.type != "heatmap" and trace.line.color]
    lines += [(colour, 1.0) for colour in DRAWN_BY_HAND]
    assert len(lines) >= 7
    for background in (theme[name]["backgroundColor"] for name in ("light", "dark")):
        for colour, opacity in lines:
            low, high = sorted((luminance(background), luminance(on(background, colour, opacity))))
            assert (high + 0.05) / (low + 0.05) >= 3, (colour, opacity, background)


@pytest.mark.parametrize("who", SEEN_BY)
def test_tasks_that_are_drawn_beside_methods_are_told_apart_by(who):
    places = {colour: lab(colour, SEEN_BY[who]) for colour in (*DRAWN_BY_HAND, *PALETTE[:6])}
    assert min(np.linalg.norm(places[one] - places[other]) for one in DRAWN_BY_HAND for other in places if other != one) > 15
