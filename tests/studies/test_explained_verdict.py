"""The sentences on a verdict never contradict it: made for random differences and read back."""

from __future__ import annotations

import math
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from docs.translations import read
from mtl_core.studies.comparison_lines import OVERALL, Line
from mtl_core.studies.explained_verdict import explain_verdict
from mtl_core.studies.paired import paired_difference
from mtl_core.studies.study_values import TaskMetric
from mtl_core.studies.verdict import LEAST_SEEDS, Word, verdict

METRIC = TaskMetric("slant", "mae", "Mean absolute error", "degrees", False)
VALUE = st.floats(0, 10).map(lambda value: round(value, 3))


@settings(max_examples=300, deadline=None)
@given(
    pairs=st.lists(st.tuples(VALUE, VALUE), min_size=1, max_size=8),
    band=st.sampled_from([0.0, 0.5, 5.0]),
    corrected_by=st.integers(1, 10),
    has_metric=st.booleans(),
)
def test_the_sentences_say_what_the_verdict_says(pairs, band, corrected_by, has_metric):
    values, baseline = zip(*pairs, strict=True)
    found = paired_difference(values, baseline, False, band)
    said = verdict(found, min(found.p_value * corrected_by, 1.0) if found.n > 1 else math.nan, corrected_by)
    task, metric = ("slant", METRIC) if has_metric else (OVERALL, None)
    first, second = explain_verdict(Line("joint", "joint against alone", task, metric, 1.0, 2.0, tuple(range(len(pairs))), said)).sentences
    assert first.startswith(f"In {found.n} pair")
    if has_metric:
        assert ("better" in first, "worse" in first, "was the same" in first) == (found.mean > 0, found.mean < 0, found.mean == 0)
    assert ("no verdict" in second) == (found.n < LEAST_SEEDS)
    assert ("too little to matter" in second) == (said.word == Word.SAME)
    assert ("rarely" in second) == (said.word in (Word.HELPS, Word.HURTS))
    assert ("holds 0" in second) == (said.word == Word.UNKNOWN and found.low <= 0 <= found.high)
    assert ("not known" in second) == (found.n >= LEAST_SEEDS and math.isnan(found.low))
    assert "nan" not in first + second


def test_every_mean_of_gains_says_which_metrics_it_counts():
    """A study shows the mean over the main metrics beside the mean over all of them: two numbers, which would look like one."""
    texts = [message.id for message in read("zh") if re.search(r"\b[Mm]ean (relative )?(gain|drop)|Δm", message.id or "")]
    assert len(texts) >= 5
    assert [text for text in texts if not re.search("main metrics|all metrics", text)] == []
