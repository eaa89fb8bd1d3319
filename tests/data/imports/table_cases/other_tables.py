"""Given parts and groups, JSON, parquet, Hugging Face, boxes and points."""

from __future__ import annotations

import json

from tests.data.imports.table_cases.table_case import (
    BOX,
    CELEBA,
    COLOURS,
    FLAT,
    IN_PARTS,
    PARTS,
    Case,
    N,
    attributes,
    colour,
    cow,
    each,
    one_box,
    parquet,
    part,
    pet,
    place,
    rows,
)

OTHER: dict[str, Case] = {
    # given parts and groups
    "three_tables": Case(
        FLAT,
        {f"{p}.csv": rows("image,colour", *([FLAT[n], colour(n)] for n in range(N) if part(n) == p)) for p in ("train", "val", "test")},
        {"colour": COLOURS},
        parts=PARTS,
    ),
    "split_column": Case(
        FLAT,
        {"d.csv": rows("image,colour,split", *([FLAT[n], colour(n), {"val": "Validation"}.get(part(n), part(n))] for n in range(N)))},
        {"colour": COLOURS},
        parts=PARTS,
    ),
    "partition_of_numbers": Case(
        FLAT,
        {
            "list_eval_partition.csv": rows("image_id,partition", *([FLAT[n], ("train", "val", "test").index(part(n))] for n in range(N))),
            "d.csv": rows("image,colour", *([FLAT[n], colour(n)] for n in range(N))),
        },
        {"colour": COLOURS},
        parts=PARTS,
    ),
    "patients": Case(
        FLAT,
        {"d.csv": rows("image,colour,patient_id", *([FLAT[n], colour(n), f"P{n // 3}"] for n in range(N)))},
        {"colour": COLOURS},
        {"groups"},
    ),
    "fold_column": Case(
        FLAT,
        {"d.csv": rows("image,colour,fold", *([FLAT[n], colour(n), n % 3] for n in range(N)))},
        {"colour": COLOURS},
        {"folds"},
        {p: {FLAT[n] for n in range(N) if n % 3 == f} for f, p in enumerate(("train", "val", "test"))},
    ),
    "kaggle": Case(
        [f"train/{n}.png" for n in range(16)] + [f"test/{n}.png" for n in range(4)],
        {
            "train.csv": rows("id,label", *([n, colour(n)] for n in range(16))),
            "sample_submission.csv": rows("id,label", *([n, "red"] for n in range(4))),
        },
        {"label": ("classification", {f"train/{n}.png": colour(n) for n in range(16)})},
        unread={"sample_submission.csv": "placeholders"},
    ),
    "cub": Case(
        [f"images/{c}.Bird{c}/b{n}_{c}.jpg" for c in (1, 2) for n in range(8)],
        {
            "images.txt": rows(*(f"{8 * (c - 1) + n + 1} {c}.Bird{c}/b{n}_{c}.jpg" for c in (1, 2) for n in range(8))),
            "image_class_labels.txt": rows(*(f"{n + 1} {1 + n // 8}" for n in range(16))),
            "classes.txt": "1 1.Bird1\n2 2.Bird2\n",
            "train_test_split.txt": rows(*(f"{n + 1} {int(n % 4 != 0)}" for n in range(16))),
            "bounding_boxes.txt": rows(*(f"{n + 1} 20.0 16.0 40.0 34.0" for n in range(16))),
        },
        {
            "class": ("classification", {f"images/{c}.Bird{c}/b{n}_{c}.jpg": f"{c}.Bird{c}" for c in (1, 2) for n in range(8)}),
            "box": ("detection", {f"images/{c}.Bird{c}/b{n}_{c}.jpg": [(*BOX, "object")] for c in (1, 2) for n in range(8)}),
        },
    ),
    "celeba": Case(
        [f"img_align_celeba/{n:06}.jpg" for n in range(1, 25)],
        {
            "list_attr_celeba.txt": rows(
                "24", "Bald Smiling Young ", *(f"{n:06}.jpg " + "  ".join("1" if c in attributes(n) else "-1" for c in CELEBA) for n in range(1, 25))
            ),
            "list_eval_partition.txt": rows(*(f"{n:06}.jpg {('train', 'val', 'test').index(part(n))}" for n in range(1, 25))),
            "list_bbox_celeba.txt": rows("24", "image_id x_1 y_1 width height", *(f"{n:06}.jpg    20  16  40  34" for n in range(1, 25))),
            "list_landmarks_align_celeba.txt": rows("24", "lefteye_x lefteye_y nose_x nose_y", *(f"{n:06}.jpg 30 31 40 {n}" for n in range(1, 25))),
        },
        {
            "labels": ("multi_label", {f"img_align_celeba/{n:06}.jpg": attributes(n) for n in range(1, 25)}),
            "box": ("detection", {f"img_align_celeba/{n:06}.jpg": [(*BOX, "object")] for n in range(1, 25)}),
        },
        {"indicators", "landmarks"},
        {p: {f"img_align_celeba/{n:06}.jpg" for n in range(1, 25) if part(n) == p} for p in ("train", "val", "test")},
    ),
    # JSON, parquet, Hugging Face
    "metadata_jsonl": Case(
        IN_PARTS,
        {
            f"{p}/metadata.jsonl": rows(*(json.dumps({"file_name": f"{n:03}.jpg", "label": f"{p}-{n % 2}"}) for n in range(k)))
            for p, k in (("train", 12), ("valid", 6), ("test", 6))
        },
        {"label": ("classification", {name: f"{name.split('/')[0]}-{int(name[-7:-4]) % 2}" for name in IN_PARTS})},
        parts={"train": set(IN_PARTS[:12]), "val": set(IN_PARTS[12:18]), "test": set(IN_PARTS[18:])},
    ),
    "metadata_objects": Case(
        [f"train/{n}.png" for n in range(12)],
        {
            "train/metadata.jsonl": rows(
                *(
                    json.dumps({"file_name": f"{n}.png", "objects": {"bbox": [[50, 16, 40, 34]] * (n % 3), "categories": [n % 2] * (n % 3)}})
                    for n in range(12)
                )
            )
        },
        {"box": ("detection", {f"train/{n}.png": [(50.0, 16.0, 90.0, 50.0, str(n % 2))] * (n % 3) for n in range(12)})},
    ),
    "json_records": Case(
        FLAT,
        {"labels.json": [{"image": FLAT[n], "colour": colour(n), "size": n + 0.5} for n in range(N)]},
        {"colour": COLOURS, "size": ("regression", each(lambda n: n + 0.5))},
    ),
    "json_name_to_label": Case(FLAT, {"labels.json": {FLAT[n]: colour(n) for n in range(N)}}, {"label": COLOURS}),
    "json_of_stylegan": Case(
        FLAT, {"dataset.json": {"labels": [[FLAT[n], n % 3] for n in range(N)]}}, {"label": ("classification", each(lambda n: str(n % 3)))}
    ),
    "parquet": Case(
        FLAT,
        {"labels.parquet": parquet({"image": FLAT, "colour": [colour(n) for n in range(N)], "size_mm": [n + 0.5 for n in range(N)]})},
        {"colour": COLOURS, "size_mm": ("regression", each(lambda n: n + 0.5))},
    ),
    "parquet_with_pictures": Case(
        FLAT,
        {"train.parquet": parquet({"image": [b"\x89PNG"] * 3, "label": [0, 1, 0]})},
        {},
        unread={"train.parquet": "holds the pictures themselves"},
    ),
    "formats_named": Case(
        FLAT,
        {"nyu_depth_v2_labeled.mat": b"\x89HDF\r\n", "labels.pkl": b"\x80\x04.", "old.xls": b"\xd0\xcf", "a.npz": b"PK"},
        {},
        unread={"nyu_depth_v2_labeled.mat": "MATLAB", "labels.pkl": "never opened", "old.xls": "save it as xlsx", "a.npz": "numpy arrays"},
    ),
    # boxes and points
    "wheat": Case(
        FLAT,
        {
            "train.csv": rows(
                "image_id,width,height,bbox,source",
                *(f'{n:03},96,72,"[20.0, 16.0, 40.0, 34.0]",usask_{n % 2}' for n in range(N - 2)),
                *(f'{n:03},96,72,"[70, 40, 20.0, 25.0]",usask_{n % 2}' for n in range(N - 2)),
            )
        },
        {"box": ("detection", {FLAT[n]: [(*BOX, "object"), (70.0, 40.0, 90.0, 65.0, "object")] for n in range(N - 2)})},
        {"unlisted"},
    ),
    "wheat_without_heads": Case(
        FLAT,
        {"train.csv": rows("image_id,bbox", *(f'{n:03},"[20.0, 16.0, 40.0, 34.0]"' for n in range(N - 2)))},
        {"box": ("detection", {FLAT[n]: [(*BOX, "object")] if n < N - 2 else [] for n in range(N)})},
        {"unlisted", "box_form"},
        answers={"unlisted": "no_object"},
    ),
    "via": Case(
        FLAT,
        {
            "via.csv": rows(
                "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes",
                *(
                    '{},9,"{{}}",1,0,"{}","{}"'.format(
                        FLAT[n],
                        json.dumps(
                            {"name": "rect", "x": 20, "y": 16, "width": 40, "height": 34}
                            if n % 2
                            else {"name": "polygon", "all_points_x": [20, 60, 60], "all_points_y": [16, 16, 50]}
                        ).replace('"', '""'),
                        json.dumps({"type": cow(n)}).replace('"', '""'),
                    )
                    for n in range(N)
                ),
            )
        },
        {"box": ("detection", one_box(FLAT, cow))},
    ),
    "gtsrb": Case(
        [f"{n:05}.png" for n in range(N)],
        {
            "GT.csv": "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
            + "".join(f"{n:05}.png;96;72;20;16;60;50;{n % 4}\n" for n in range(N))
        },
        {"box": ("detection", {f"{n:05}.png": [(*BOX, str(n % 4))] for n in range(N)})},
    ),
    "landmarks": Case(
        FLAT,
        {"p.csv": rows("image,x1,y1,x2,y2,x3,y3", *([FLAT[n], 30, 31, 50, 20 + n % 4, 40, 60] for n in range(N)))},
        {},
        {"landmarks"},
    ),
    "two_points": Case(
        FLAT,
        {"p.csv": rows("image,x1,y1,x2,y2,colour", *([FLAT[n], 50, 40 + n, 30, 10, colour(n)] for n in range(N)))},
        {"colour": COLOURS},
        {"landmarks"},
    ),
    "corners_written_as_sizes": Case(
        FLAT,
        {"p.csv": rows("image,x,y,w,h", *([FLAT[n], 50, 40, 94, 70] for n in range(N)))},
        {"box": ("detection", one_box(FLAT, box=[50.0, 40.0, 94.0, 70.0]))},
        {"box_form"},
        answers={"box_form": "corners"},
    ),
    "colours_of_masks": Case([f"pic{n:03}.png" for n in range(N)], {"class_dict.csv": "name,r,g,b\nSky,0,1,2\nRoad,3,4,5\nVoid,0,0,0\n"}, {}),
    "lists_with_numbers": Case(
        [f"{p}/{c}{n}.jpg" for p in ("train", "test") for c in "ab" for n in range(6)],
        {f"{p}.txt": rows(*(f"{p}/{c}{n}.jpg class_{c}" for c in "ab" for n in range(6))) for p in ("train", "test")},
        {"class": ("classification", {f"{p}/{c}{n}.jpg": f"class_{c}" for p in ("train", "test") for c in "ab" for n in range(6)})},
    ),
    "class_numbers_without_header": Case(
        FLAT, {"val.txt": rows(*(f"{FLAT[n]} {n % 7}" for n in range(N)))}, {"class": ("classification", each(lambda n: str(n % 7)))}
    ),
    "mxnet_list": Case(
        FLAT,
        {"all.lst": rows(*(f"{n}\t{float(n % 3):.6f}\t{FLAT[n]}" for n in range(N)))},
        {"class": ("classification", each(lambda n: str(n % 3)))},
    ),
    "a_name_that_only_another_folder_has": Case(
        [f"train/{n}.jpg" for n in range(20) if n != 3] + [f"test/{n}.jpg" for n in range(20)],
        {"train/labels.csv": rows("file,label", *([f"{n}.jpg", colour(n)] for n in range(20)))},
        {"label": ("classification", {f"train/{n}.jpg": colour(n) for n in range(20) if n != 3})},
        findings={"skipped/missing_image": 1},
    ),
    "which_folder": Case(
        [f"{p}/{n}.jpg" for p in ("left", "right") for n in range(20)],
        {"labels.csv": rows("file,label", *([f"{n}.jpg", colour(n)] for n in range(20)))},
        {
            "label": ("classification", {f"right/{n}.jpg": colour(n) for n in range(20)}),
            "class": ("classification", {f"{p}/{n}.jpg": p for p in ("left", "right") for n in range(20)}),
        },
        {"which_folder", "views"},
        answers={"which_folder": "in-right", "views": "classes"},
    ),
    "archives_are_no_classes": Case(
        [f"part_{1 + n // 12}/{FLAT[n]}" for n in range(N)],
        {"meta.csv": rows("lesion_id,image_id,dx,age", *([f"L{n // 2}", f"{n:03}", ("nv", "mel")[n % 2], 20.0 + n % 6] for n in range(N)))},
        {
            "dx": ("classification", {f"part_{1 + n // 12}/{FLAT[n]}": ("nv", "mel")[n % 2] for n in range(N)}),
            "age": ("regression", {f"part_{1 + n // 12}/{FLAT[n]}": 20.0 + n % 6 for n in range(N)}),
        },
        {"groups"},
    ),
    "frames_that_repeat": Case(
        [f"img1/{n:06}.jpg" for n in range(1, 21)],
        {"gt/gt.txt": rows(*(f"{n},{i},20,16,40,34,1,1,0.9" for n in range(1, 21) for i in (1, 2)))},
        {},
        unread={"gt/gt.txt": "repeat, or are few"},
    ),
    "people_who_disagree": Case(
        FLAT,
        {"d.csv": rows("image,rater,label", *([FLAT[n], r, "ab"[(n + r * (n % 5 == 0)) % 2]] for n in range(N) for r in (1, 2)))},
        {"label": ("classification", each(lambda n: "ab"[(n + (n % 5 == 0)) % 2]))},
        {"several_rows"},
        answers={"several_rows": "first"},
        findings={"skipped/duplicate": 5},
    ),
    "an_animal_is_a_class": Case(
        FLAT,
        {"d.csv": rows("image,animal,scene,patient", *([FLAT[n], pet(n), place(n), f"P{n // 4}"] for n in range(N)))},
        {
            "animal": ("classification", each(lambda n: pet(n))),
            "scene": ("classification", each(lambda n: place(n))),
        },
        {"groups"},
    ),
    "spellings": Case(
        FLAT,
        {"d.csv": rows("image,look", *([FLAT[n], ["Cat", "cat", "dog"][n % 3]] for n in range(N)))},
        {"look": ("classification", each(lambda n: ["Cat", "Cat", "dog"][n % 3]))},
        {"spelling"},
        answers={"spelling": "together"},
    ),
    "voc_lists_of_a_class": Case(
        [f"JPEGImages/{n:06}.jpg" for n in range(20)],
        {"ImageSets/Main/cat_train.txt": rows(*(f"{n:06} {[1, -1][n % 2]}" for n in range(20)))},
        {},
        unread={"ImageSets/Main/cat_train.txt": "lists of the images that have one class"},
    ),
    "names_that_no_image_has": Case(
        FLAT, {"d.csv": rows("image,colour", *([f"x{n}.jpg", colour(n)] for n in range(N)))}, {}, unread={"d.csv": "no column names images"}
    ),
    "one_class_only": Case(FLAT, {"d.csv": rows("image,colour", *([name, "red"] for name in FLAT))}, {}, unread={"d.csv": "every cell is 'red'"}),
}
