"""Sets as people report them, and layouts of folders."""

from __future__ import annotations

import json

from tests.data.imports.table_cases.table_case import (
    BOX,
    COLOURS,
    FLAT,
    IN,
    IN_PARTS,
    ONE_HOT,
    TAGS,
    Case,
    N,
    colour,
    cow,
    each,
    one_box,
    rows,
    tags,
    xlsx,
)

REPORTED: dict[str, Case] = {
    # cases C01 to C09 of the public reports
    "isic_one_hot": Case(
        FLAT,
        {"truth.csv": rows("image,MEL,NV,BCC", *([f"{n:03}", *map(float, ONE_HOT[n])] for n in range(N)))},
        {"class": ("classification", each(lambda n: ("MEL", "NV", "BCC")[n % 3]))},
    ),
    "roboflow_multiclass": Case(
        IN_PARTS,
        {
            f"{p}/_classes.csv": rows(
                "filename, rust, crack, dent", *(f"{n:03}.jpg, {n % 2}, {int(n % 3 == 0)}, {int(n % 5 == 0)}" for n in range(count))
            )
            for p, count in (("train", 12), ("valid", 6), ("test", 6))
        },
        {
            "labels": (
                "multi_label",
                {
                    name: {c for c, yes in (("rust", n % 2), ("crack", n % 3 == 0), ("dent", n % 5 == 0)) if yes}
                    for name in IN_PARTS
                    for n in [int(name[-7:-4])]
                },
            )
        },
        {"indicators"},
        {"train": set(IN_PARTS[:12]), "val": set(IN_PARTS[12:18]), "test": set(IN_PARTS[18:])},
    ),
    "pandas_index_and_lists": Case(
        FLAT, {"labels.csv": rows(",file,tags", *([n, FLAT[n], ";".join(sorted(tags(n)))] for n in range(N)))}, {"tags": TAGS}
    ),
    "python_lists": Case(FLAT, {"labels.csv": rows("file,tags", *(f'{FLAT[n]},"{sorted(tags(n))}"' for n in range(N)))}, {"tags": TAGS}),
    "json_lists": Case(
        FLAT,
        {"labels.csv": rows("file,tags", *('{},"{}"'.format(FLAT[n], json.dumps(sorted(tags(n))).replace('"', '""')) for n in range(N)))},
        {"tags": TAGS},
    ),
    "numpy_lists": Case(
        FLAT, {"labels.csv": rows("file,tags", *(f'{FLAT[n]},"[{" ".join(map(repr, sorted(tags(n))))}]"' for n in range(N)))}, {"tags": TAGS}
    ),
    "booleans": Case(
        FLAT,
        {"l.csv": rows("file,male,smiling", *([FLAT[n], n % 2 == 0, n % 3 == 0] for n in range(N)))},
        {
            "male": ("classification", each(lambda n: str(n % 2 == 0))),
            "smiling": ("classification", each(lambda n: str(n % 3 == 0))),
        },
    ),
    "xlsx": Case(
        FLAT,
        {"labels.xlsx": xlsx([["file", "colour", "size_mm"], *([FLAT[n], colour(n), n + 0.5] for n in range(N))])},
        {"colour": COLOURS, "size_mm": ("regression", each(lambda n: n + 0.5))},
    ),
    "xlsx_numbers_and_title": Case(
        FLAT,
        {"labels.xlsx": xlsx([["Survey of 2024"], ["picture", "colour"], *([n, colour(n)] for n in range(N))])},
        {"colour": COLOURS},
    ),
    "xlsx_second_sheet": Case(
        FLAT,
        {"labels.xlsx": xlsx([["file", "colour"], *([FLAT[n], colour(n)] for n in range(N))], "labels", [["about this file"], ["made by me"]])},
        {"colour": COLOURS},
    ),
    "xlsx_that_is_none": Case(FLAT, {"labels.xlsx": b"PK\x03\x04fake"}, {}, unread={"labels.xlsx": "no readable xlsx"}),
    "open_images": Case(
        IN,
        {
            "a.csv": rows(
                "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded",
                *([f"{n:03}", "xclick", "/m/01", 1, 20 / 96, 60 / 96, 16 / 72, 50 / 72, n % 2] for n in range(N)),
                *([f"{n:03}", "xclick", "/m/02", 1, 0, 0.5, 0, 0.5, 1] for n in range(4)),
            ),
            "class-descriptions.csv": "/m/01,Cat\n/m/02,Dog, big\n".replace("Dog, big", "Dog"),
        },
        {"box": ("detection", {IN[n]: [(*BOX, "Cat"), *([(0.0, 0.0, 48.0, 36.0, "Dog")] if n < 4 else [])] for n in range(N)})},
    ),
    "shares_as_sizes": Case(
        FLAT,
        {"b.csv": rows("image,x,y,width,height", *([FLAT[n], 0.0, 0.0, 0.5, 0.5] for n in range(N)))},
        {"box": ("detection", one_box(FLAT, box=[0.0, 0.0, 48.0, 36.0]))},
    ),
    "shares_from_the_middle_or_the_corner": Case(
        FLAT,
        {"b.csv": rows("image,x,y,w,h", *([FLAT[n], 0.5, 0.5, 0.25, 0.25] for n in range(N)))},
        {"box": ("detection", one_box(FLAT, box=[36.0, 27.0, 60.0, 45.0]))},
        {"box_form"},
        answers={"box_form": "centre"},
    ),
    "retinanet": Case(
        IN,
        {
            "annotations.csv": rows(*(f"{IN[n]},,,,," if n % 3 == 0 else f"{IN[n]},20,16,60,50,{cow(n)}" for n in range(N))),
            "classes.csv": "cow,0\npig,1\n",
        },
        {"box": ("detection", {IN[n]: [] if n % 3 == 0 else [(*BOX, cow(n))] for n in range(N)})},
    ),
    "tensorflow": Case(
        FLAT,
        {"_annotations.csv": rows("filename,width,height,class,xmin,ymin,xmax,ymax", *([FLAT[n], 96, 72, cow(n), 20, 16, 60, 50] for n in range(N)))},
        {"box": ("detection", one_box(FLAT, cow))},
    ),
    # cases D01 to D07
    "class_named_train": Case(
        [f"{c}/{n}.png" for c in ("bus", "car", "train") for n in range(8)],
        {},
        {"class": ("classification", {f"{c}/{n}.png": c for c in ("bus", "car", "train") for n in range(8)})},
    ),
    "class_named_raw": Case(
        [f"{c}/{c}{n}.png" for c in ("raw", "cooked") for n in range(8)],
        {},
        {"class": ("classification", {f"{c}/{c}{n}.png": c for c in ("raw", "cooked") for n in range(8)})},
        {"plain_folder"},
    ),
    "val_lacks_a_class": Case(
        [f"train/{c}/{n}.png" for c in ("0", "90", "180") for n in range(6)] + [f"val/{c}/v{n}.png" for c in ("0", "90") for n in range(3)],
        {},
        {
            "class": (
                "classification",
                {f"train/{c}/{n}.png": c for c in ("0", "90", "180") for n in range(6)}
                | {f"val/{c}/v{n}.png": c for c in ("0", "90") for n in range(3)},
            )
        },
    ),
    "three_levels": Case(
        [f"{s}/{b}/{b}{n}.png" for s, bs in (("cat", ("siam", "maine")), ("dog", ("pug", "husky"))) for b in bs for n in range(6)],
        {},
        {
            "superclass": (
                "classification",
                {f"{s}/{b}/{b}{n}.png": s for s, bs in (("cat", ("siam", "maine")), ("dog", ("pug", "husky"))) for b in bs for n in range(6)},
            ),
            "class": (
                "classification",
                {f"{s}/{b}/{b}{n}.png": b for s, bs in (("cat", ("siam", "maine")), ("dog", ("pug", "husky"))) for b in bs for n in range(6)},
            ),
        },
    ),
    "folds": Case(
        [f"fold{f}/{c}/{f}{c}{n}.png" for f in (1, 2, 3) for c in "ab" for n in range(4)],
        {},
        {"class": ("classification", {f"fold{f}/{c}/{f}{c}{n}.png": c for f in (1, 2, 3) for c in "ab" for n in range(4)})},
        {"folds"},
        {p: {f"fold{f}/{c}/{f}{c}{n}.png" for c in "ab" for n in range(4)} for f, p in ((1, "train"), (2, "val"), (3, "test"))},
    ),
    # further layouts of folders
    "part_below_class": Case(
        [f"bottle/{p}/{c}/{p}{c}{n}.png" for p, cs in (("train", ("good",)), ("test", ("good", "broken"))) for c in cs for n in range(6)],
        {},
        {
            "class": (
                "classification",
                {f"bottle/{p}/{c}/{p}{c}{n}.png": c for p, cs in (("train", ("good",)), ("test", ("good", "broken"))) for c in cs for n in range(6)},
            )
        },
    ),
    "images_below_class": Case(  # Tiny ImageNet
        [f"train/n{c}/images/n{c}_{n}.png" for c in (1, 2) for n in range(6)] + [f"val/images/val_{n}.png" for n in range(6)],
        {
            **{f"train/n{c}/n{c}_boxes.txt": rows(*(f"n{c}_{n}.png\t20\t16\t60\t50" for n in range(6))) for c in (1, 2)},
            "val/val_annotations.txt": rows(*(f"val_{n}.png\tn{1 + n % 2}\t20\t16\t60\t50" for n in range(6))),
        },
        {
            "class": ("classification", {f"train/n{c}/images/n{c}_{n}.png": f"n{c}" for c in (1, 2) for n in range(6)}),
            "box": ("detection", {f"val/images/val_{n}.png": [(*BOX, f"n{1 + n % 2}")] for n in range(6)}),
        },
        {"unlisted"} & set(),
    ),
    "intel_names_of_parts": Case(
        [f"seg_{p}/{c}/{p}{n}.png" for p, k in (("train", 6), ("test", 3)) for c in ("sea", "street") for n in range(k)],
        {},
        {
            "class": (
                "classification",
                {f"seg_{p}/{c}/{p}{n}.png": c for p, k in (("train", 6), ("test", 3)) for c in ("sea", "street") for n in range(k)},
            )
        },
    ),
    "domains": Case(
        [f"{d}/{c}/{n}{d}.png" for d in ("photo", "sketch") for c in ("dog", "horse") for n in range(6)],
        {},
        {
            "class": ("classification", {f"{d}/{c}/{n}{d}.png": c for d in ("photo", "sketch") for c in ("dog", "horse") for n in range(6)}),
            "domain": ("classification", {f"{d}/{c}/{n}{d}.png": d for d in ("photo", "sketch") for c in ("dog", "horse") for n in range(6)}),
        },
    ),
    "patients_as_folders": Case(
        [f"patient_{p}/{c}/{n}.png" for p in range(6) for c in ("benign", "malignant") for n in range(2)],
        {},
        {"class": ("classification", {f"patient_{p}/{c}/{n}.png": c for p in range(6) for c in ("benign", "malignant") for n in range(2)})},
        {"groups"},
    ),
    "class_in_the_name": Case(
        [f"{c}_{n}.png" for c in ("great_pyrenees", "pug") for n in range(8)],
        {},
        {"class": ("classification", {f"{c}_{n}.png": c for c in ("great_pyrenees", "pug") for n in range(8)})},
        {"file_names"},
    ),
    "names_that_only_count": Case([f"IMG_{n:04}.png" for n in range(12)], {}, {}),
}
