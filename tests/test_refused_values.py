"""No value of any setting is refused in pydantic's words, which name the types of Python."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import BaseModel, Field, ValidationError

from mtl_core.catalogue import REGISTRIES
from mtl_core.config import RunConfig
from mtl_core.data.imports.spec import ImportSpec
from mtl_core.errors import ConfigError
from mtl_core.language import speaking, tr
from mtl_core.refused_values import refusal
from mtl_core.registry import validated
from mtl_core.runs.archives.archive_reading import _ArchivedRun
from mtl_core.studies.study import StudySettings

BAD = (None, True, "x" * 5000, "", "no", -1, -1e30, 1e30, 0.5, float("nan"), float("inf"), 10**4000, b"\xff", [], [1.5] * 300, {}, {"a": object()})
NAMES = tuple({str(number): {} for number in range(count)} for count in (1, 300))


def models():
    """Every model of settings: of a run, of an import, of a study, of an archive, and of each part."""
    found, waiting = [], [RunConfig, ImportSpec, StudySettings, _ArchivedRun]
    waiting += [REGISTRIES[sort].load(name).Options for sort in REGISTRIES for name in REGISTRIES[sort] if has_options(sort, name)]
    while waiting:
        model = waiting.pop()
        if model not in found:
            found.append(model)
            waiting += [inner for field in model.model_fields.values() for inner in models_in(field.annotation)]
    return found


def has_options(sort, name):
    options = getattr(REGISTRIES[sort].load(name), "Options", None)
    return isinstance(options, type) and issubclass(options, BaseModel)


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]


def test_no_setting_is_refused_in_the_words_of_pydantic():
    read, types = models(), set()
    assert len(read) > 60
    for model in read:
        for name in model.model_fields:
            for value in (*BAD, *NAMES):
                try:
                    model.model_validate({name: value})
                except ValidationError as error:
                    details = error.errors(include_url=False)
                else:
                    continue
                for detail in details:
                    types.add(detail["type"])
                    sentence = refusal(detail)
                    own = detail["msg"].removeprefix("Value error, ")
                    assert len(sentence) < 2000, (model, name)
                    assert detail["type"] == "value_error" or own.lower() not in sentence.lower(), (model, name, sentence)
                    assert " should " not in sentence or detail["type"] == "value_error", (model, name, sentence)
    assert types >= {"int_type", "float_type", "bool_type", "string_type", "list_type", "literal_error", "string_too_long", "finite_number"}, types


class Options(BaseModel):
    """A text, a number and a list with limits."""

    word: str = Field("", max_length=3)
    one: list[int] = Field(default_factory=lambda: [1], min_length=1, max_length=2)
    share: float = Field(0.5, gt=0, le=1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"word": "x" * 5000}, "word: expected at most 3 characters, found 5,000; shorten it"),
        ({"word": 1}, "word: expected text, found 1"),
        ({"one": []}, "one: expected at least 1 entry, found 0"),
        ({"one": [1, 2, 3]}, "one: expected at most 2 entries, found 3"),
        ({"one": ["many"]}, "one.0: expected a whole number, found 'many'"),
        ({"one": [0.5]}, "one.0: expected a whole number, found 0.5"),
        ({"share": 0}, "share: expected more than 0, found 0"),
        ({"share": "half"}, "share: expected a number, found 'half'"),
        ({"share": None}, "share: expected a number, found nothing"),
    ],
)
def test_a_sentence_says_what_was_expected_and_found(values, said):
    with pytest.raises(ConfigError) as refused:
        validated(Options, values, "")
    assert str(refused.value) == said
    with speaking("zh"):
        assert "expected" not in tr(said)


def test_a_sentence_on_added_options_keeps_the_numbers():
    """The lines of an augmentation's own errors are raised together with those of the other keys."""
    with pytest.raises(ConfigError, match=r"augmentation\.mixup: expected at most 2, found 3"):
        RunConfig.from_dict(
            {
                "data": {"name": "digits"},
                "tasks": {"digit": {}},
                "backbone": {"name": "mlp"},
                "augmentation": {"mixup": 3, "nothing_like_it": 1},
            }
        )
