"""Differences between two configs, given as plain values: as paths of keys, and in words that name no key.

The words are short phrases for names of runs (``boxes ×5``, ``1,000 images``), which are kept in English, and titles with values for tables
(``Loss weight of boxes``: ``5``) in the reader's language. A phrase can be said in the reader's language too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mtl_core.config_fingerprint import INDIFFERENT
from mtl_core.language import SOURCE, HalfUp, filled, language, mark, tr
from mtl_core.part_titles import part_title

Path = tuple[str, ...]
UNNAMED = (*(key for key in INDIFFERENT if key != "seed"), "changes", "device", "select_by")  # settings that are no part of a run's name
WHERE_FILES_LIE = (("data", "root"), ("data", "download"))  # on this machine: no part of a run's name either
GIVEN = ("set", "name", "root", "weights_file", "weights_run", "model", "branches", "select_by", "among")  # a person's or another project's names
PART_SORTS = {"balancing": "balancing", "sharing": "sharing", "update": "updates", "backbone": "backbones", "data": "data", "denoise": "denoisers"}
ABOUT_TASKS, ABOUT_METHOD, ABOUT_WEIGHTS = 0, 1, 2  # places of a phrase in a list; the lower, the more it says about a run
PLACES = {"sharing": 3, "update": 4, "backbone": 5, "data": 6, "tasks": 7, "epochs": 8, "batch_size": 9, "optimizer": 10, "schedule": 11, "seed": 14}
OTHERS, LAST = 12, 15
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
GROUPS = {
    "data": mark("the data"),
    "backbone": mark("the backbone"),
    "sharing": mark("the sharing scheme"),
    "balancing": mark("the balancing method"),
    "update": mark("the update"),
    "schedule": mark("the schedule"),
    "optimizer": mark("the optimizer"),
    "augmentation": mark("the augmentation"),
    "preprocessing": mark("the preprocessing"),
    "partition": mark("the partition"),
    "denoise": mark("the denoiser"),
}
TITLES: dict[Path, str] = {
    ("balancing", "name"): mark("Balancing method"),
    ("sharing", "name"): mark("Sharing"),
    ("update", "name"): mark("How tasks share a step"),
    ("backbone", "name"): mark("Backbone"),
    ("data", "name"): mark("Data set"),
    ("data", "set"): mark("Imported set"),
    ("data", "train_size"): mark("Training images"),
    ("data", "val_size"): mark("Images of val"),
    ("data", "test_size"): mark("Images of test"),
    ("data", "seed"): mark("Seed of the images"),
    ("data", "partition", "seed"): mark("Seed of the partition"),
    ("data", "preprocessing", "denoise", "name"): mark("Denoising"),
    ("optimizer", "name"): mark("Optimizer"),
    ("optimizer", "lr"): mark("Learning rate"),
    ("schedule", "name"): mark("Learning rate over the run"),
    ("precision",): mark("Numerical precision"),
    ("on_non_finite",): mark("If a loss becomes NaN"),
    ("accumulate",): mark("Gradient accumulation"),
    ("select_by",): mark("Tasks that choose the best checkpoint"),
    ("changes",): mark("Live changes"),
    ("conflict_every",): mark("Steps between measurements of conflict"),
    ("affinity_every",): mark("Steps between measurements of affinity"),
}


@dataclass(frozen=True)
class Phrase:
    """A few words on the settings of a run, such as ``batch size 64``.

    Attributes:
        template: English, with the places of the values in braces; without values the text itself.
        values: (place, value) of each place. Texts among them are names, which are not translated; other words are phrases.
        label: for the name of a setting, its label in forms, which has the translation.
    """

    template: str
    values: tuple[tuple[str, Phrase | str | float], ...] = ()
    label: str = ""

    @cached_property
    def english(self) -> str:
        """The text for names, which are kept."""
        values = {place: value.english if isinstance(value, Phrase) else value for place, value in self.values}
        return filled(self.template, **values) if values else self.template

    def said(self) -> str:
        """The text in the reader's language."""
        if self.label and language() != SOURCE:
            label = tr(self.label)
            return label if label != self.label else self.template
        return tr(self.template, **{place: value.said() if isinstance(value, Phrase) else value for place, value in self.values})


def phrase(template: str, **values: Phrase | str | float) -> Phrase:
    """A phrase of a template and its values."""
    return Phrase(template, tuple(values.items()))


def _listed(names: Sequence[str]) -> Phrase:
    """Names as ``a, b and c``."""
    if len(names) == 1:
        return phrase("{name}", name=names[0])
    begin = phrase("{name}", name=names[0])
    for name in names[1:-1]:
        begin = phrase(mark("{names}, {name}"), names=begin, name=name)
    return phrase(mark("{names} and {name}"), names=begin, name=names[-1])


def differences(old: dict[str, Any], new: dict[str, Any], parents: Path = ()) -> list[tuple[Path, Any]]:
    """Path of keys and new value of every difference; the value is None for a removed key. A replaced part is listed in full, its name first."""
    result: list[tuple[Path, Any]] = []
    if parents and "name" in new and old.get("name") != new["name"]:
        old = {}
    for key in [*new, *(key for key in old if key not in new)]:
        path = (*parents, key)
        before, after = old.get(key), new.get(key)
        if isinstance(after, dict):
            result += differences(before if isinstance(before, dict) else {}, after, path)
        elif key not in old or before != after:
            result.append((path, after))
    return result


def differences_in_words(old: dict[str, Any], new: dict[str, Any]) -> list[Phrase]:
    """The differences as phrases, what says most about a run first. Settings in ``UNNAMED`` are left out."""
    found = [(ABOUT_TASKS, each) for each in _tasks_in_words(list(old["tasks"]), list(new["tasks"]))]
    changed = [(path, value) for path, value in differences(old, new) if path[0] not in UNNAMED and path not in WHERE_FILES_LIE]
    added_or_gone = {task for task in (*old["tasks"], *new["tasks"]) if task not in old["tasks"] or task not in new["tasks"]}
    replaced = [path[:-1] for path, _ in changed if path[-1] == "name" and len(path) > 1]
    own_optimizers = {path[1] for path, _ in changed if path[0] == "tasks" and path[2:3] == ("optimizer",)} - added_or_gone
    own = [task for task in own_optimizers if new["tasks"][task].get("optimizer")]
    found += [(PLACES["tasks"], phrase(mark("{task} with an own optimizer"), task=task)) for task in own]
    for path, value in changed:
        if path[0] == "tasks" and (path[1] in added_or_gone or path[2:3] == ("optimizer",)):
            if path[2:] == ("loss_weight",) and value != 1:
                found.append((ABOUT_WEIGHTS, phrase_of(path, value)))
        elif path[:-1] in replaced and path[-1] != "name":
            if path[0] in ("balancing", "sharing") and value is not None:
                found.append((_place(path), _of_part(path, value, new)))
            elif path[:-1] == ("optimizer",) and value != old["optimizer"].get(path[-1]):  # its settings hold for every optimizer
                found.append((_place(path), phrase_of(path, value)))
        elif value is None and _is_left_out(path, new):
            found.append((LAST, phrase(mark("default {setting}"), setting=_key(path, _spoken(path[-1])))))
        elif path[0] in ("balancing", "sharing") and path[-1] != "name":
            found.append((_place(path), _of_part(path, value, new)))
        else:
            found.append((_place(path), phrase_of(path, value)))
    phrases = list({each.english: each for _, each in sorted(found, key=lambda each: each[0])}.values())
    # "CAGrad" is said by "CAGrad with c 0.3"
    return [each for each in phrases if not any(other.english.startswith(each.english + " with ") for other in phrases)]


def _is_left_out(path: Path, values: dict[str, Any]) -> bool:
    """Whether a part's option is not in a config, so that its default holds."""
    node: Any = values
    for key in path[:-1]:
        node = node.get(key) or {}
    return path[0] in PART_SORTS and path[-1] not in node


def _tasks_in_words(old: list[str], new: list[str]) -> list[Phrase]:
    gone, added = [task for task in old if task not in new], [task for task in new if task not in old]
    if len(new) == 1 and (gone or added):
        return [phrase(mark("{task} alone"), task=new[0])]
    found = [phrase(mark("with {tasks}"), tasks=_listed(added))] if added else []
    if gone:
        kept = [task for task in new if task not in added]
        without = len(gone) <= len(kept) or not kept
        found.append(phrase(mark("without {tasks}"), tasks=_listed(gone)) if without else phrase(mark("only {tasks}"), tasks=_listed(kept)))
    return found


def _place(path: Path) -> int:
    if path[0] == "balancing":
        return ABOUT_METHOD
    if path[0] == "tasks" and path[2:] == ("loss_weight",):
        return ABOUT_WEIGHTS
    if path[0] == "data" and path[1] in ("val_size", "test_size", "seed", "partition", "preprocessing"):
        return OTHERS + (path[1] in ("val_size", "test_size"))
    return PLACES.get(path[0], OTHERS)


def _of_part(path: Path, value: Any, values: dict[str, Any]) -> Phrase:
    title = Phrase(part_title(PART_SORTS[path[0]], values[path[0]]["name"]))
    return phrase(mark("{part} with {setting}"), part=title, setting=phrase_of(path, value))


_TITLES_OF_TASKS: dict[Path, str] = {("optimizer", "lr"): mark("Learning rate"), ("optimizer", "name"): mark("Optimizer")}


def phrase_of(path: Path, value: Any) -> Phrase:
    """A setting with its value, such as ``boxes ×5``, ``7 epochs``, ``learning rate 0.01``, ``1,000 images``, ``no flip``."""
    if path[0] == "tasks" and len(path) > 2:
        if path[2] in _PHRASES_OF_TASKS:
            return _PHRASES_OF_TASKS[path[2]](path[1], value)
        return phrase(mark("{task} {setting}"), task=path[1], setting=_with_value(path, _spoken(_last(path)), value))
    if path in _PHRASES:
        return _PHRASES[path](value)
    if _last(path) == "name" and len(path) > 1:
        return _part_in_words(path, value)
    return _with_value(path, {"lr": "learning rate"}.get(_last(path), _spoken(_last(path))), value)


def _part_in_words(path: Path, value: Any) -> Phrase:
    if path[-2] in PART_SORTS:
        return Phrase(part_title(PART_SORTS[path[-2]], str(value)))
    if path[-2] == "optimizer":
        return Phrase(OPTIMIZERS.get(value, str(value)))
    part = Phrase(_spoken(path[-2]), label=GROUPS.get(path[-2], _upper(_spoken(path[-2]))))
    return phrase(mark("{setting} {value}"), setting=part, value=Phrase(_spoken(value)))


def _key(path: Path, spoken: str) -> Phrase:
    return Phrase(spoken, label=TITLES.get(path) or _upper(spoken))


def _with_value(path: Path, spoken: str, value: Any) -> Phrase:
    key = _key(path, spoken)
    if isinstance(value, bool):
        return key if value else phrase(mark("no {setting}"), setting=key)
    if value is None or value in ([], "", {}):
        return phrase(mark("no {setting}"), setting=key)
    if isinstance(value, list) and not all(isinstance(each, int | float | str) for each in value):
        return phrase(mark("other {setting}"), setting=key)
    return phrase(mark("{setting} {value}"), setting=key, value=Phrase(_spoken(value)) if _is_word(path, value) else _plain_value(path, value))


def _is_word(path: Path, value: Any) -> bool:
    """Whether a value is a choice of ours, and not a name or a file that somebody gave, whose letters all count."""
    return isinstance(value, str) and _last(path) not in GIVEN


def _images(value: Any, some: str, every: str) -> Phrase:
    return phrase(some, count=value) if isinstance(value, int) and value > 0 else Phrase(every)


def _epoch(template: str) -> Callable[[str, Any], Phrase]:
    last = mark("{task} to the last epoch")
    return lambda task, value: phrase(template, task=task, value=value) if value is not None else phrase(last, task=task)


def _labels(task: str, value: float) -> Phrase:
    if value == 1:
        return phrase(mark("all labels of {task}"), task=task)
    return phrase(mark("{share} % of the labels of {task}"), share=f"{100 * value:.3g}", task=task)


_PARTITIONS = {"shared": mark("shared images"), "disjoint": mark("disjoint images")}
_PHRASES: dict[Path, Callable[[Any], Phrase]] = {
    ("epochs",): lambda value: phrase(mark("{value:,} epochs") if value != 1 else mark("{value} epoch"), value=value),
    ("data", "train_size"): lambda value: _images(value, mark("{count:,} images"), mark("all images")),
    ("data", "val_size"): lambda value: _images(value, mark("{count:,} val images"), mark("all val images")),
    ("data", "test_size"): lambda value: _images(value, mark("{count:,} test images"), mark("all test images")),
    ("data", "image_size"): lambda value: phrase(mark("images of {value} pixels"), value=value),
    ("data", "seed"): lambda value: phrase(mark("images of seed {value}"), value=value),
    ("data", "partition", "seed"): lambda value: phrase(mark("partition of seed {value}"), value=value),
    ("data", "partition", "kind"): lambda value: Phrase(_PARTITIONS.get(value, str(value))),
    ("data", "preprocessing", "denoise", "name"): lambda value: Phrase(part_title("denoisers", str(value))),
    ("data", "set"): lambda value: phrase("{name}", name=str(value)),
}
_PHRASES_OF_TASKS: dict[str, Callable[[str, Any], Phrase]] = {
    "loss_weight": lambda task, value: phrase("{task} ×{value:g}", task=task, value=value),
    "label_fraction": _labels,
    "start_epoch": _epoch(mark("{task} from epoch {value}")),
    "stop_epoch": _epoch(mark("{task} until epoch {value}")),
}


def title_of(path: Path) -> str:
    """A setting's title for a table in the reader's language, such as ``Loss weight of boxes``, ``Training images``, ``Width of the backbone``."""
    if path in TITLES:
        return tr(TITLES[path])
    if path[0] == "tasks" and len(path) > 1:
        title = _TITLES_OF_TASKS.get(path[2:]) or _spoken(_last(path))
        return tr("{setting} of {task}", setting=tr(_upper(title)), task=path[1]) if len(path) > 2 else tr("Task {task}", task=path[1])
    title = tr(_upper({"lr": "learning rate"}.get(_last(path), _spoken(_last(path)))))
    group = GROUPS.get(path[-2]) if len(path) > 1 else None
    return tr("{setting} of {part}", setting=title, part=tr(group)) if group else title


def _upper(title: str) -> str:
    return f"{title[:1].upper()}{title[1:]}"


def value_of(path: Path, value: Any) -> str:
    """A setting's value for a table, in words of the reader's language."""
    if path == ("changes",):
        return tr("none") if not value else tr("1 live change") if len(value) == 1 else tr("{count} live changes", count=len(value))
    if path[-1] == "name" and len(path) > 1 and value is not None:
        return tr(_spoken(value)) if path[-2] == "schedule" else _part_in_words(path, value).said()
    if value is None or value in ([], "", {}):
        return tr("none")
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return tr(_spoken(value)) if _is_word(path, value) else _plain_value(path, value)


def _plain_value(path: Path, value: Any) -> str:
    if isinstance(value, float):
        return f"{HalfUp(value):g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(_plain_value(path, each) for each in value)
    return _spoken(value) if _is_word(path, value) else str(value)


def _spoken(text: Any) -> str:
    return str(text).replace("_", " ")


def _last(path: Path) -> str:
    """The last key. A path is never empty."""
    return path[-1]
