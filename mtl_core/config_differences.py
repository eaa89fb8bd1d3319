"""Differences between two configs, given as plain values: as paths of keys, and in words that name no key.

The words are short phrases for names of runs (``boxes ×5``, ``1,000 images``), which are kept and so are English, and titles with values for
tables (``Loss weight of boxes``: ``5``) in the reader's language.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mtl_core.config_fingerprint import INDIFFERENT
from mtl_core.language import mark, tr
from mtl_core.part_titles import part_title

Path = tuple[str, ...]
UNNAMED = (*(key for key in INDIFFERENT if key != "seed"), "changes", "device", "select_by")  # settings that are no part of a run's name
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
    ("on_non_finite",): mark("If a loss becomes NaN"),
    ("accumulate",): mark("Gradient accumulation"),
    ("select_by",): mark("Tasks that choose the best checkpoint"),
    ("changes",): mark("Live changes"),
    ("conflict_every",): mark("Steps between measurements of conflict"),
    ("affinity_every",): mark("Steps between measurements of affinity"),
}


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


def differences_in_words(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The differences as phrases, what says most about a run first. Settings in ``UNNAMED`` are left out."""
    said = [(ABOUT_TASKS, phrase) for phrase in _tasks_in_words(list(old["tasks"]), list(new["tasks"]))]
    changed = [(path, value) for path, value in differences(old, new) if path[0] not in UNNAMED]
    added_or_gone = {task for task in (*old["tasks"], *new["tasks"]) if task not in old["tasks"] or task not in new["tasks"]}
    replaced = [path[:-1] for path, _ in changed if path[-1] == "name" and len(path) > 1]
    own_optimizers = {path[1] for path, _ in changed if path[0] == "tasks" and path[2:3] == ("optimizer",)} - added_or_gone
    said += [(PLACES["tasks"], f"{task} with an own optimizer") for task in own_optimizers if new["tasks"][task].get("optimizer")]
    for path, value in changed:
        if path[0] == "tasks" and (path[1] in added_or_gone or path[2:3] == ("optimizer",)):
            if path[2:] == ("loss_weight",) and value != 1:
                said.append((ABOUT_WEIGHTS, phrase_of(path, value)))
        elif path[:-1] in replaced and path[-1] != "name":
            if path[0] in ("balancing", "sharing") and value is not None:
                said.append((_place(path), f"{_part(path[0], new)} with {phrase_of(path, value)}"))
        else:
            if value is None and _is_left_out(path, new):
                said.append((LAST, f"default {_spoken(path[-1])}"))
                continue
            text = phrase_of(path, value)
            if path[0] in ("balancing", "sharing") and path[-1] != "name":
                text = f"{_part(path[0], new)} with {text}"
            said.append((_place(path), text))
    phrases = list(dict.fromkeys(text for _, text in sorted(said, key=lambda each: each[0])))
    return [text for text in phrases if not any(other.startswith(f"{text} with ") for other in phrases)]  # "CAGrad" is said by "CAGrad with c 0.3"


def _is_left_out(path: Path, values: dict[str, Any]) -> bool:
    """Whether a part's option is not in a config, so that its default holds."""
    node: Any = values
    for key in path[:-1]:
        node = node.get(key) or {}
    return path[0] in PART_SORTS and path[-1] not in node


def _tasks_in_words(old: list[str], new: list[str]) -> list[str]:
    gone, added = [task for task in old if task not in new], [task for task in new if task not in old]
    if len(new) == 1 and (gone or added):
        return [f"{new[0]} alone"]
    said = [f"with {_joined(added)}"] if added else []
    if gone:
        kept = [task for task in new if task not in added]
        said.append(f"without {_joined(gone)}" if len(gone) <= len(kept) or not kept else f"only {_joined(kept)}")
    return said


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _place(path: Path) -> int:
    if path[0] == "balancing":
        return ABOUT_METHOD
    if path[0] == "tasks" and path[2:] == ("loss_weight",):
        return ABOUT_WEIGHTS
    if path[0] == "data" and path[1] in ("val_size", "test_size", "seed", "partition", "preprocessing"):
        return OTHERS + (path[1] in ("val_size", "test_size"))
    return PLACES.get(path[0], OTHERS)


def _part(key: str, values: dict[str, Any]) -> str:
    return part_title(PART_SORTS[key], values[key]["name"])


_TITLES_OF_TASKS: dict[Path, str] = {("optimizer", "lr"): mark("Learning rate"), ("optimizer", "name"): mark("Optimizer")}


def phrase_of(path: Path, value: Any) -> str:
    """A setting with its value, such as ``boxes ×5``, ``7 epochs``, ``learning rate 0.01``, ``1,000 images``, ``no flip``."""
    if path[0] == "tasks" and len(path) > 2:
        return _PHRASES_OF_TASKS.get(path[2], lambda task, value: f"{task} {_with_value(_spoken(_last(path)), value)}")(path[1], value)
    if path in _PHRASES:
        return _PHRASES[path](value)
    if _last(path) == "name" and len(path) > 1:
        return _part_in_words(path, value)
    return _with_value({"lr": "learning rate"}.get(_last(path), _spoken(_last(path))), value)


def _part_in_words(path: Path, value: Any) -> str:
    if path[-2] in PART_SORTS:
        return part_title(PART_SORTS[path[-2]], str(value))
    if path[-2] == "optimizer":
        return OPTIMIZERS.get(value, str(value))
    return f"{_spoken(path[-2])} {_spoken(value)}"


def _with_value(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return key if value else f"no {key}"
    if value is None or value in ([], "", {}):
        return f"no {key}"
    if isinstance(value, list) and not all(isinstance(each, int | float | str) for each in value):
        return f"other {key}"
    return f"{key} {_plain_value(value)}"


def _images(value: Any, of: str = "") -> str:
    return f"{value:,} {of}images" if isinstance(value, int) and value > 0 else f"all {of}images"


def _epoch(word: str) -> Callable[[str, Any], str]:
    return lambda task, value: f"{task} {word} epoch {value}" if value is not None else f"{task} to the last epoch"


_PHRASES: dict[Path, Callable[[Any], str]] = {
    ("epochs",): lambda value: f"{value} epoch{'' if value == 1 else 's'}",
    ("data", "train_size"): _images,
    ("data", "val_size"): lambda value: _images(value, "val "),
    ("data", "test_size"): lambda value: _images(value, "test "),
    ("data", "image_size"): lambda value: f"images of {value} pixels",
    ("data", "seed"): lambda value: f"images of seed {value}",
    ("data", "partition", "seed"): lambda value: f"partition of seed {value}",
    ("data", "partition", "kind"): lambda value: f"{_spoken(value)} images",
    ("data", "preprocessing", "denoise", "name"): lambda value: part_title("denoisers", str(value)),
    ("data", "set"): str,
}
_PHRASES_OF_TASKS: dict[str, Callable[[str, Any], str]] = {
    "loss_weight": lambda task, value: f"{task} ×{value:g}",
    "label_fraction": lambda task, value: f"{100 * value:.3g} % of the labels of {task}" if value != 1 else f"all labels of {task}",
    "start_epoch": _epoch("from"),
    "stop_epoch": _epoch("until"),
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
        return tr(_spoken(value) if path[-2] == "schedule" else _part_in_words(path, value))
    if value is None or value in ([], "", {}):
        return tr("none")
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return tr(_plain_value(value)) if isinstance(value, str) and _last(path) not in ("set", "name") else _plain_value(value)


def _plain_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(_plain_value(each) for each in value)
    return _spoken(value)


def _spoken(text: Any) -> str:
    return str(text).replace("_", " ")


def _last(path: Path) -> str:
    """The last key. A path is never empty."""
    return path[-1]
