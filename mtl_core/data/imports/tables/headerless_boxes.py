"""Boxes of known tables without a header: RetinaNet's, Tiny ImageNet's and Google Vertex AI's."""

from __future__ import annotations

from typing import cast

from mtl_core.data.imports.tables.box_look import BoxColumns
from mtl_core.data.imports.tables.column_sample import Sample
from mtl_core.data.imports.tables.table_options import CsvOptions


def boxes_without_header(sample: Sample, options: CsvOptions) -> BoxColumns | None:
    """Boxes of known tables without header: RetinaNet's (image, four corners, class) and Tiny ImageNet's (image, class, four corners)."""
    names = list(sample.columns)
    if not options.header and options.image_column == "column_2" and (found := _vertex_boxes(sample)):
        return found
    if options.header or len(names) != 5 or options.image_column != "column_1":
        return None
    for box, name in ((names[:4], names[4]), (names[1:], names[0])):
        rows = [[sample.number(cell) for cell in cells] for cells in zip(*(sample.columns[one] for one in box), strict=True) if any(cells)]
        classes = {cell for cell in sample.columns[name] if cell}
        texts = any(sample.number(cell) is None for cell in classes) or name == names[4]
        whole = [cast("list[float]", row) for row in rows if None not in row]
        if rows and len(whole) > 0.9 * len(rows) and texts and sum(row[2] >= row[0] and row[3] >= row[1] for row in whole) > 0.9 * len(whole):
            found = BoxColumns({"box": box, "box_form": "corners", "box_class": name}, {*box, name})
            found.notes.append(f"no header: read as image, {'x1, y1, x2, y2, class' if name == names[4] else 'class, x1, y1, x2, y2'}")
            return found
    return None


def _vertex_boxes(sample: Sample) -> BoxColumns | None:
    """Boxes of Google Vertex AI's table: part, address, class, and four corners as shares, of which the second and fourth may be empty."""
    names = list(sample.columns)
    if len(names) != 10:
        return None
    box = [names[2], names[3], names[6], names[7]]  # x1, y1, (x2, y1), x2, y2, (x1, y2)
    rows = [[sample.number(cell) for cell in cells] for cells in zip(*(sample.columns[name] for name in box), strict=True) if any(cells)]
    whole = [cast("list[float]", row) for row in rows if None not in row]
    if not rows or len(whole) < len(rows) or not all(0 <= x1 <= x2 <= 1 and 0 <= y1 <= y2 <= 1 for x1, y1, x2, y2 in whole):
        return None
    options = {"box": box, "box_form": "corners", "box_unit": "shares", "box_class": names[1]}
    found = BoxColumns(options, {*box, names[1], names[4], names[5], names[8], names[9]})
    found.notes.append("no header: read as Google Vertex AI's part, address, class, and corners as shares of the picture's sides")
    return found
