"""Cells: words for missing values, numbers, text written in many ways, several labels in a cell."""

from __future__ import annotations

from tests.data.imports.table_cases.table_case import (
    CELEBA,
    CODES,
    COLOURS,
    FLAT,
    ONE_HOT,
    PARTS,
    TAGS,
    WORDS,
    Case,
    N,
    attributes,
    colour,
    each,
    one_box,
    part,
    rows,
    tags,
)

CELLS: dict[str, Case] = {
    # words for 'missing'
    "none_is_a_class": Case(
        FLAT,
        {"d.csv": rows("image,damage", *([FLAT[n], WORDS[n % 3]] for n in range(N)))},
        {"damage": ("classification", each(lambda n: WORDS[n % 3]))},
        {"missing_words"},
    ),
    "none_means_missing": Case(
        FLAT,
        {"d.csv": rows("image,damage", *([FLAT[n], ["none", "scratch", "dent"][n % 3]] for n in range(N)))},
        {"damage": ("classification", each(lambda n: WORDS[n % 3], only=lambda n: n % 3 != 0))},
        {"missing_words"},
        answers={"missing_words": "missing"},
        findings={"note/missing_word": 1},
    ),
    "countries": Case(
        FLAT,
        {"d.csv": rows("image,land", *([FLAT[n], list(CODES)[n % 5]] for n in range(N)))},
        {"land": ("classification", each(lambda n: list(CODES)[n % 5]))},
        {"missing_words"},
    ),
    "nan_of_pandas": Case(
        FLAT,
        {"d.csv": rows("image,kind_of", *([FLAT[n], ["nan", "a", "b", "c"][n % 4]] for n in range(N)))},
        {"kind_of": ("classification", each(lambda n: ["nan", "a", "b", "c"][n % 4], only=lambda n: n % 4 != 0))},
        {"missing_words"},
        findings={"note/missing_word": 1},
    ),
    "sentinel": Case(
        FLAT,
        {"d.csv": rows("image,weight_g", *([FLAT[n], -999 if n % 4 == 0 else 100 + n] for n in range(N)))},
        {"weight_g": ("regression", each(lambda n: 100.0 + n, only=lambda n: n % 4 != 0))},
        {"sentinel"},
        findings={"note/missing_word": 1},
    ),
    # whole numbers
    "forty_class_numbers": Case(
        [f"{n:03}.jpg" for n in range(80)],
        {"d.csv": rows("image,target", *([f"{n:03}.jpg", n % 40] for n in range(80)))},
        {"target": ("classification", {f"{n:03}.jpg": str(n % 40) for n in range(80)})},
        {"whole_numbers"},
    ),
    "ages_and_years": Case(
        FLAT,
        {"d.csv": rows("image,age,built_year", *([FLAT[n], 20 + n % 7, 1990 + n % 5] for n in range(N)))},
        {"age": ("regression", each(lambda n: 20.0 + n % 7)), "built_year": ("regression", each(lambda n: 1990.0 + n % 5))},
    ),
    "class_id_is_a_class": Case(
        FLAT,
        {"d.csv": rows("image,class_id", *([FLAT[n], 7 * (n % 4)] for n in range(N)))},
        {"class_id": ("classification", each(lambda n: str(7 * (n % 4))))},
    ),
    "numbers_as_floats": Case(
        FLAT,
        {"d.csv": rows("image,label", *([FLAT[n], float(n % 4)] for n in range(N)))},
        {"label": ("classification", each(lambda n: str(n % 4)))},
    ),
    "grades_asked": Case(
        FLAT,
        {"d.csv": rows("image,grade", *([FLAT[n], n % 5] for n in range(N)))},
        {"grade": ("regression", each(lambda n: float(n % 5)))},
        {"whole_numbers"},
        answers={"whole_numbers": "quantity"},
    ),
    # text that is written in many ways
    "german_excel": Case(
        FLAT,
        {
            "d.csv": ("\ufeffBild;Größe;Farbe\r\n" + "".join(f"{FLAT[n]};{n},5;röt{n % 2}\r\n" for n in range(N)))
            .encode("cp1252", "replace")
            .replace(b"?", b"", 1)
        },
        {"Größe": ("regression", each(lambda n: n + 0.5)), "Farbe": ("classification", each(lambda n: f"röt{n % 2}"))},
    ),
    "utf16_tabs": Case(
        FLAT, {"d.tsv": ("image\tcolour\n" + "".join(f"{FLAT[n]}\t{colour(n)}\n" for n in range(N))).encode("utf-16")}, {"colour": COLOURS}
    ),
    "thousands": Case(
        FLAT,
        {"d.csv": rows("image,price", *(f'{FLAT[n]},"{1000 * (n + 1):,}.50"' for n in range(N)))},
        {"price": ("regression", each(lambda n: 1000.0 * (n + 1) + 0.5))},
    ),
    "commas_asked": Case(
        FLAT,
        {"d.csv": rows("image,price", *(f'{FLAT[n]},"{n + 1},{n:03}"' for n in range(N)))},
        {"price": ("regression", each(lambda n: n + 1 + n / 1000))},
        {"commas"},
        answers={"commas": "decimal"},
    ),
    "points_asked": Case(
        FLAT,
        {"d.csv": rows("image;price;weight", *(f"{FLAT[n]};{n + 1}.{n:03};{n},5" for n in range(N)))},
        {"price": ("regression", each(lambda n: 1000.0 * (n + 1) + n)), "weight": ("regression", each(lambda n: n + 0.5))},
        {"points"},
    ),
    "points_are_decimals": Case(
        FLAT,
        {"d.csv": rows("image;price;weight", *(f"{FLAT[n]};{n + 1}.{n:03};{n},5" for n in range(N)))},
        {"price": ("regression", each(lambda n: n + 1 + n / 1000)), "weight": ("regression", each(lambda n: n + 0.5))},
        {"points"},
        answers={"points": "decimal"},
    ),
    "points_and_commas_are_decimals": Case(
        FLAT,
        {"d.csv": rows("image;price;weight", *(f"{FLAT[n]};{n}.125;{n},5" for n in range(N)))},
        {"price": ("regression", each(lambda n: n + 0.125)), "weight": ("regression", each(lambda n: n + 0.5))},
    ),
    "no_header": Case(FLAT, {"d.csv": rows(*([FLAT[n], colour(n)] for n in range(N)))}, {"class": COLOURS}),
    "unclosed_quote": Case(
        FLAT,
        {"d.csv": rows("image,colour", *(f'{FLAT[n]},"{colour(n)}' if n == 3 else f'{FLAT[n]},"{colour(n)}"' for n in range(N)))},
        {"colour": ("classification", each(colour, only=lambda n: n != 3))},
        findings={"skipped/unclosed_quote": 1},
    ),
    "line_ends_in_cells": Case(
        FLAT,
        {"d.csv": rows("image,remarks,colour", *(f'{FLAT[n]},"first\nsecond, third",{colour(n)}' for n in range(N)))},
        {"colour": COLOURS},
    ),
    "header_again": Case(
        FLAT,
        {"d.csv": rows("image,colour", *([FLAT[n], colour(n)] for n in range(12)), "image,colour", *([FLAT[n], colour(n)] for n in range(12, N)))},
        {"colour": COLOURS},
        findings={"skipped/repeated_header": 1},
    ),
    "name_twice": Case(
        FLAT, {"d.csv": rows("image,colour,size,size", *([FLAT[n], colour(n), n + 0.5, n + 1.5] for n in range(N)))}, {"colour": COLOURS}
    ),
    "trailing_delimiter": Case(FLAT, {"d.csv": rows("image,colour", *(f"{FLAT[n]},{colour(n)}," for n in range(N)))}, {"colour": COLOURS}),
    "names_with_spaces": Case(
        [f"my pic {n}.jpg" for n in range(N)],
        {"d.csv": rows("image,colour", *([f"my pic {n}.jpg", colour(n)] for n in range(N)))},
        {"colour": ("classification", {f"my pic {n}.jpg": colour(n) for n in range(N)})},
    ),
    "dates_and_texts": Case(
        FLAT,
        {"d.csv": rows("image,day,remark_of,colour", *([FLAT[n], f"2024-01-{n + 1:02}", f"text number {n}", colour(n)] for n in range(N)))},
        {"colour": COLOURS},
    ),
    # several labels
    "tags_with_spaces": Case(
        FLAT,
        {"d.csv": rows("image,tags", *([FLAT[n], " ".join(sorted(tags(n)))] for n in range(N)))},
        {"tags": TAGS},
        {"labels_in_cell"},
        answers={"labels_in_cell": "labels"},
    ),
    "no_tags": Case(
        FLAT,
        {"d.csv": rows("image,tags", *([FLAT[n], "none" if n % 6 == 5 else ";".join(sorted(tags(n)))] for n in range(N)))},
        {"tags": ("multi_label", each(lambda n: set() if n % 6 == 5 else tags(n)))},
        {"empty_cells"},
    ),
    "empty_tags": Case(
        FLAT,
        {"d.csv": rows("image,tags", *([FLAT[n], "" if n % 6 == 5 else ";".join(sorted(tags(n)))] for n in range(N)))},
        {"tags": ("multi_label", each(tags, only=lambda n: n % 6 != 5))},
        {"empty_cells"},
    ),
    "decimal_commas_of_shares": Case(
        FLAT,
        {"b.csv": rows("ImageID,LabelName,XMin,XMax,YMin,YMax", *(f'{FLAT[n]},cat,"0,25","0,75","0,5","1,0"' for n in range(N)))},
        {"box": ("detection", one_box(FLAT, lambda n: "cat", [24.0, 36.0, 72.0, 72.0]))},
    ),
    "label_beside_flags": Case(
        FLAT,
        {"d.csv": rows("image,label,blurry,dark", *([FLAT[n], n % 2, n // 2 % 2, n // 4 % 2] for n in range(N)))},
        {
            "label": ("classification", each(lambda n: str(n % 2))),
            "blurry": ("classification", each(lambda n: str(n // 2 % 2))),
            "dark": ("classification", each(lambda n: str(n // 4 % 2))),
        },
    ),
    "separator_line_of_excel": Case(
        FLAT, {"d.csv": "sep=;\n" + "image;colour\n" + "".join(f"{FLAT[n]};{colour(n)}\n" for n in range(N))}, {"colour": COLOURS}
    ),
    "parts_of_fer": Case(
        FLAT,
        {
            "d.csv": rows(
                "image,emotion,Usage",
                *([FLAT[n], colour(n), {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}[part(n)]] for n in range(N)),
            )
        },
        {"emotion": COLOURS},
        parts=PARTS,
    ),
    "names_of_two_words": Case(
        FLAT,
        {"d.csv": rows("image,breed", *([FLAT[n], ["golden retriever", "great dane", "pug"][n % 3]] for n in range(N)))},
        {"breed": ("classification", each(lambda n: ["golden retriever", "great dane", "pug"][n % 3]))},
    ),
    "a_row_a_label": Case(
        FLAT, {"d.csv": rows("image,finding", *([FLAT[n], tag] for n in range(N) for tag in sorted(tags(n))))}, {"finding": TAGS}, {"several_rows"}
    ),
    "get_dummies": Case(
        FLAT,
        {"d.csv": rows("image,colour_red,colour_green,colour_blue", *([FLAT[n], *ONE_HOT[n]] for n in range(N)))},
        {"colour": COLOURS},
    ),
    "own_tasks": Case(
        FLAT,
        {"d.csv": rows("image," + ",".join(CELEBA), *([FLAT[n], *(int(c in attributes(n)) for c in CELEBA)] for n in range(N)))},
        {c: ("classification", each(lambda n, c=c: "yes" if c in attributes(n) else "no")) for c in CELEBA},
        {"indicators"},
        answers={"indicators": "own_tasks"},
    ),
    "chexpert": Case(
        FLAT,
        {"d.csv": rows("Path,Edema,Mass,Nodule", *([FLAT[n], n % 2, int(n % 3 == 0), -1 if n == 5 else int(n % 5 == 0)] for n in range(N)))},
        {
            "labels": (
                "multi_label",
                each(lambda n: {c for c, y in (("Edema", n % 2), ("Mass", n % 3 == 0), ("Nodule", n % 5 == 0)) if y}, only=lambda n: n != 5),
            )
        },
        {"indicators", "unsure"},
        findings={"skipped/not_yes_or_no": 1},
    ),
}
