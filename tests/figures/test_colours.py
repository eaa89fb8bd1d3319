from mtl_core.figures.colours import PALETTE, run_styles, task_colours


def test_task_colours_go_by_place():
    assert task_colours(["digit", "count", "boxes"]) == {"digit": "#0072B2", "count": "#D55E00", "boxes": "#009E73"}


def test_a_task_named_twice_takes_one_place():
    assert task_colours(["a", "b", "a", "c"]) == {"a": PALETTE[0], "b": PALETTE[1], "c": PALETTE[2]}


def test_more_tasks_than_colours_begin_again():
    colours = task_colours([str(number) for number in range(8)])
    assert colours["7"] == colours["0"]


def test_a_new_run_leaves_the_older_ones_as_they_were():
    older = [f"run{number}" for number in range(9)]
    assert {run: style for run, style in run_styles([*older, "new"]).items() if run != "new"} == run_styles(older)


def test_runs_of_one_colour_differ_in_dash():
    styles = run_styles([str(number) for number in range(28)])
    assert styles["0"] == ("#0072B2", "solid")
    assert styles["7"] == ("#0072B2", "dash")
    assert len(set(styles.values())) == 28


def test_palette_can_be_read_on_light_and_dark():
    def luminance(colour):
        channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in PALETTE:
        on_white, on_black = 1.05 / (luminance(colour) + 0.05), (luminance(colour) + 0.05) / 0.05
        assert min(on_white, on_black) > 2, colour
