"""The gauges in words."""

from mtl_core.machine.machine_gauges import Gauges, Gpu
from ui.shell.words import size
from ui.status.gauge_bar import rows


def test_sizes_in_words():
    assert [size(number) for number in (0, 999_400, 1e6, 740e6, 6.14e9, 999.6e9, 1.5e12)] == [
        "0 kB",
        "999 kB",
        "1 MB",
        "740 MB",
        "6.14 GB",
        "1,000 GB",
        "1.5 TB",
    ]


def test_every_known_gauge_has_a_row():
    gauges = Gauges(0.0, 0.854, 6_000_000_000, 8_000_000_000, 1_200_000_000, 30_000_000_000, 10**11, (Gpu("Card", 0.37, 10**9, 4 * 10**9),))
    assert [row[:4] for row in rows(gauges)] == [
        ("CPU", "85%", 0.854, False),
        ("Memory", "6 GB of 8 GB", 0.75, False),
        ("Run", "1.2 GB", None, False),
        ("GPU", "37% · 1 GB of 4 GB", 0.25, False),
        ("Disk", "30 GB free", None, False),
    ]


def test_what_is_unknown_is_left_out_and_what_is_nearly_full_is_marked():
    gauges = Gauges(0.0, None, 95, 100, None, 10**9, 10**11, (Gpu("A", None, 0, 100), Gpu("B", 0.5, 1, 100)))
    assert [(row[0], row[3]) for row in rows(gauges)] == [("Memory", True), ("GPU 0", False), ("GPU 1", False), ("Disk", True)]
    assert [row[0] for row in rows(Gauges(0.0, None, 1, 100, None, None, None))] == ["Memory"]
