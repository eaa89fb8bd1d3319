"""A user's own pictures, in any usual format. The order of things::

    proposal = propose(path)                         # looks, guesses, says why; reads few files
    spec = proposal.spec                             # corrected by people, or read by ImportSpec.from_yaml
    report = check(path, spec, progress, cancelled)  # reads every file once; nothing is written
    import_dataset(path, spec, "cells", checked=report, progress=..., cancelled=...)
    imported()                                       # the sets there are; RunConfig's ``data: {name: imported, set: cells}``
    delete("cells")

All take a ``home`` (default: MTL_HOME) where they need the store. ``cancelled`` is asked between files; when it says True the call raises
``Cancelled`` and leaves nothing behind. To add a format: a file here and a line in ``FORMATS``.
"""

from __future__ import annotations

from mtl_core.registry import Registry

FORMATS = Registry(
    "format",
    "mtl_core.import_formats",
    {
        "class_folders": "mtl_core.data.imports.class_folders:ClassFolders",
        "csv": "mtl_core.data.imports.csv_table:CsvFormat",
        "coco": "mtl_core.data.imports.coco:Coco",
        "voc": "mtl_core.data.imports.voc:Voc",
        "yolo": "mtl_core.data.imports.yolo:Yolo",
        "masks": "mtl_core.data.imports.masks:Masks",
        "depth": "mtl_core.data.imports.depth_maps:DepthMaps",
        "idx": "mtl_core.data.imports.idx:Idx",
    },
)
