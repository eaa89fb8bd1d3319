"""A live chart in the browser: updated in place from empty to full, its axes always show the values. Every kind of chart can be drawn."""

import ast
from pathlib import Path

import numpy as np
import pytest

from mtl_core.figures.curves import Curve, curve_figure

pytestmark = pytest.mark.browser

DRAW = """async (figure) => {
  const box = document.getElementById("box"), { data, layout } = JSON.parse(figure);
  await Plotly.react(box, data, { ...layout, autosize: true });
  return [box._fullLayout.xaxis.range, box._fullLayout.yaxis.range];
}"""


def figure(count: int, log_y: bool, share: bool, flat: bool) -> str:
    values = np.full(count, 0.5) if flat else 0.2 + 0.7 * np.exp(-np.arange(count) / 40)
    return curve_figure([Curve("a", np.arange(count, dtype=float), values, "#000000")], log_y=log_y, share=share).to_json()


@pytest.mark.parametrize("counts", [(0, 1, 5, 50, 200), (0, 5, 50), (0, 1, 1, 2, 200), (1, 0, 200)], ids=str)
@pytest.mark.parametrize(("log_y", "share"), [(False, False), (True, False), (False, True)], ids=["linear", "log", "share"])
def test_the_axes_follow_the_values(plotly_tab, counts, log_y, share):
    page, errors = plotly_tab
    page.evaluate("""() => { document.body.innerHTML = '<div id="box" style="width:500px;height:200px"></div>'; }""")
    for flat in (True, False):
        for count in counts:
            (left, right), (bottom, top) = page.evaluate(DRAW, figure(count, log_y, share, flat and count < 50))
            if count < 2:
                continue
            values = 0.2 + 0.7 * np.exp(-np.arange(count) / 40) if not (flat and count < 50) else np.full(count, 0.5)
            low, high = (np.log10(values.min()), np.log10(values.max())) if log_y else (values.min(), values.max())
            assert left <= 0 < count - 1 <= right < 1.5 * count
            assert bottom <= low + 1e-9
            assert high - 1e-9 <= top
            if count >= 50:
                assert top - bottom < 1.6 * (high - low)  # the curve fills the chart
    assert errors == []


def kinds_of_traces() -> set[str]:
    """Every kind of trace that is named in the product: classes of ``plotly.graph_objects`` and ``type`` of plain traces."""
    root, found = Path(__file__).parents[2], set()
    for path in (path for folder in ("mtl_core", "ui", "pages") for path in (root / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "plotly" not in text and '"legendgroup"' not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "go" and node.attr != "Figure":
                found.add(node.attr.lower())
            if isinstance(node, ast.Dict):
                plain = {key.value: value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)}
                if "legendgroup" in plain and isinstance(plain.get("type"), ast.Constant):
                    found.add(plain["type"].value)
    return found


def test_the_script_has_every_kind_of_chart_that_the_product_draws(plotly_tab):
    tab, errors = plotly_tab
    known = tab.evaluate("Object.keys(Plotly.PlotSchema.get().traces)")
    assert {"scatter", "bar", "heatmap"} <= kinds_of_traces() <= set(known)
    assert errors == []
