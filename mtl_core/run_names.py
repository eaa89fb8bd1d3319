"""Names of runs in words, made from their settings: what differs from the nearest preset first, the rest as a subtitle.

Examples: "PCGrad · race 8171", "count alone · 1,000 images", "boxes ×5, from epoch 4". A name that a person typed is kept.
Titles are kept and searched, so they are English. Pages say the subtitle in the reader's language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from mtl_core.balancing import PLAIN
from mtl_core.config import RunConfig
from mtl_core.config_differences import Phrase, differences_in_words, phrase
from mtl_core.config_sections import PartConfig
from mtl_core.language import mark
from mtl_core.part_titles import data_title, part_title
from mtl_core.presets import Preset, load_presets

SEPARATOR = " · "
LONGEST = 120  # characters of a name
SHOWN = 2  # differences in a title; the others are in the subtitle
FAR = 5  # differences from which a preset's title says too little about a run
PARENT = 40  # characters of a parent's name in a fork's name
_KEY_AND_VALUE = re.compile(r"(^| · )[a-z_]+(\.[A-Za-z0-9_]+)*=| · \+ \d+ more$")  # in names that earlier versions made
RACE_TAG = re.compile(r"race-([0-9a-f]{4,})")


@dataclass(frozen=True)
class RunName:
    """A run's name: ``title`` for lists and headings, ``left_out`` for what the title leaves out; it may be empty. ``whole``: a title that is cut."""

    title: str
    left_out: tuple[Phrase, ...] = ()
    whole: str = ""

    @property
    def in_full(self) -> str:
        """The title, uncut, and what it leaves out, in English: what a search looks through."""
        return SEPARATOR.join([self.whole or self.title, *(each.english for each in self.left_out)])

    @property
    def subtitle(self) -> str:
        """What the title leaves out, in English."""
        return SEPARATOR.join(each.english for each in self.left_out)


def run_name(config: RunConfig, tags: Sequence[str] = (), typed: str = "") -> RunName:
    """The name of a run.

    Args:
        tags: the run's tags; the tag of a race is part of the name.
        typed: a name that a person gave after the start; it goes before the config's.
    """
    race = next((found[1] for tag in tags if (found := RACE_TAG.fullmatch(tag))), "")
    said, subject = _told(config)
    made_live = len(config.changes)
    steered = [phrase(mark("{count} live changes"), count=made_live) if made_live > 1 else Phrase(mark("1 live change"))] * bool(made_live)
    if typed or (typed := typed_name(config, race)):
        return RunName(typed, (*([subject] if subject.english != typed else []), *said, *steered))
    seed = [each for each in said if _is_seed(each, config)]
    said = [each for each in said if each not in seed]
    shown = said[:SHOWN]
    if race:
        title = part_title("balancing", config.balancing.name)
        method = next((each for each in said if each.english.startswith(f"{title} with ")), Phrase(title))
        said = [method, *(each for each in said if each.english != method.english)]
        shown = said[: SHOWN if len(said) > 1 else 1]
    rest = [each for each in said if each not in shown]
    parts = [each.english for each in (*shown, *seed)] + ([f"race {race}"] if race else [])
    if len(parts) < SHOWN:
        parts.append(subject.english)
    else:
        rest = [subject, *rest]
    whole = SEPARATOR.join(parts)
    return RunName(_cut(whole), (*rest, *steered), whole)


def fork_name(parent: str, before: RunConfig, after: RunConfig, epoch: int) -> str:
    """The name of a fork: what it changes, the epoch, and its parent's name, such as ``boxes ×5, from epoch 4 · Digit scenes: 4 tasks``.

    Args:
        before: the parent's config after that epoch.
        after: the fork's config. That it trains longer is no part of the name.
    """
    found = differences_in_words(before.model_copy(update={"epochs": after.epochs}).to_dict(), after.to_dict())
    said = [each.english for each in found]
    more = [f"{len(said) - SHOWN} more"] if len(said) > SHOWN else []
    begin = ", ".join([*said[:SHOWN], *more, f"from epoch {epoch}"])
    return _cut(f"{begin}{SEPARATOR}{parent if len(parent) <= PARENT else parent[: PARENT - 1].rstrip() + '…'}")


def subject_of(config: RunConfig) -> str:
    """What the run is about: the title of its preset, else its data set and tasks. In English."""
    return _told(config)[1].english


def subject_in_words(config: RunConfig) -> str:
    """What the run is about, in the reader's language."""
    return _told(config)[1].said()


def name_without_method(config: RunConfig) -> str:
    """What the runs of a race have in common: the typed name without the method's title, else the name with plain loss weights, and the subject."""
    if typed := typed_name(config):
        title = part_title("balancing", config.balancing.name)
        return typed.removeprefix(f"{title}{SEPARATOR}").removesuffix(f"{SEPARATOR}{title}")
    plain = config.model_copy(update={"name": "", "changes": [], "balancing": PartConfig(name=PLAIN)})
    title, subject = run_name(plain).title, subject_of(plain)
    return title if subject in title else _cut(f"{title}{SEPARATOR}{subject}")


def typed_name(config: RunConfig, race: str = "") -> str:
    """The name in a config, if a person typed it; empty for one that a preset or this program gave."""
    name = config.name
    titles = {title for preset in _presets() for title in (preset.title, preset.config.name)}
    if name in titles or _KEY_AND_VALUE.search(name):
        return ""
    if race and name.rpartition(SEPARATOR)[0] in titles:  # a race of an earlier version
        return ""
    return name


def _told(config: RunConfig) -> tuple[list[Phrase], Phrase]:
    """The differences from the nearest preset in words, and the run's subject."""
    values = config.to_dict()
    candidates = [
        (len(said) + 3 * (set(config.tasks) - set(preset.config.tasks) != set()), said, preset)
        for preset in _presets()
        if preset.config.data.own_name == config.data.own_name and preset.config.balancing.name in (PLAIN, config.balancing.name)
        for said in [differences_in_words(preset.config.to_dict(), values)]
    ]
    if not candidates:
        return differences_in_words(_plainest(config).to_dict(), values), data_and_tasks(config)
    _, said, preset = min(candidates, key=lambda each: each[0])
    if set(preset.config.tasks) != set(config.tasks):
        return said, data_phrase(config)
    return said, Phrase(preset.title) if len(said) < FAR else data_and_tasks(config)


def _plainest(config: RunConfig) -> RunConfig:
    """The same data, tasks, backbone and length with defaults for the rest."""
    keep = config.to_dict()
    own = ("loss_weight", "label_fraction", "optimizer")
    tasks = {name: {key: value for key, value in task.items() if key not in own} for name, task in keep["tasks"].items()}
    return RunConfig.from_stored({**{key: keep[key] for key in ("data", "backbone", "epochs", "batch_size")}, "tasks": tasks})


def _is_seed(found: Phrase, config: RunConfig) -> bool:
    return found.english == f"seed {config.seed:,}"


def data_phrase(config: RunConfig) -> Phrase:
    """The data set's title; of an imported set the name that it was given."""
    title = data_title(config.data)
    if config.data.own_name != config.data.name:
        return phrase("{name}", name=title)
    return Phrase(title, label=part_title("data", config.data.name))


def data_and_tasks(config: RunConfig) -> Phrase:
    """The data set's title and the tasks; more than three tasks are only counted."""
    few = len(config.tasks) <= 3
    tasks = phrase("{names}", names=" + ".join(config.tasks)) if few else phrase(mark("{count} tasks"), count=len(config.tasks))
    return phrase(mark("{data}: {tasks}"), data=data_phrase(config), tasks=tasks)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


@cache
def _presets() -> tuple[Preset, ...]:
    return tuple(load_presets())
