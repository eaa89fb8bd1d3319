"""The form of a new study: question, settings to start from, options of its kind, seeds, and an estimate of the work."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

import streamlit as st
from pydantic import BaseModel

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.config_sections import PartConfig
from mtl_core.errors import ConfigError
from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.part_titles import part_title
from mtl_core.plain_yaml import read_yaml
from mtl_core.run_names import subject_in_words
from mtl_core.runs import jobs
from mtl_core.studies import study_actions as studies
from mtl_core.studies.estimate import Estimate, estimate
from mtl_core.studies.kinds import STUDY_KINDS
from mtl_core.studies.kinds.axes import MOST_AXES
from ui.shell import words
from ui.shell.error_boundary import is_ours
from ui.shell.model_forms import Field, describe, is_shown
from ui.shell.state import end_request, go_to, hold_first, listing, presets, request_id, run_store, settings
from ui.train.train_form import check_settings

OWN = "form"  # the settings of the Train page
NEWEST = 30  # runs that are offered to start from
LETTERS = 54  # of a name in the box of what to start from, which shows the id behind it
LABELS = {  # option of a kind of study -> its label
    "tasks": mark("Tasks"),
    "budget": mark("Budget"),
    "methods": mark("Methods"),
    "sweep": mark("Portions of the sweep of weights"),
    "groups": mark("Groups"),
    "way": mark("How the weights are chosen"),
    "parts": mark("Portions of weight"),
    "trials": mark("Points to try"),
    "widest": mark("Widest ratio of two weights"),
    "sampler_seed": mark("Seed of the search"),
    "fractions": mark("Shares of the labels"),
}
EXAMPLE_AXES = (("optimizer.lr", "0.001, 0.003, 0.01"), ("backbone", "mlp, small_cnn"), ("batch_size", "32, 64, 128"))


def study_form() -> None:
    """Draw the form with its estimate and its button."""
    question, start_from = st.columns(2)
    kind = question.selectbox(
        tr("Question"),
        list(STUDY_KINDS),
        hold_index("study.kind", list(STUDY_KINDS)),
        key="study.kind",
        format_func=lambda name: tr(STUDY_KINDS.load(name).title),
    )
    part = STUDY_KINDS.load(kind)
    with start_from:
        base = _base()
    st.caption(tr(part.summary))
    if base is None:
        return
    options, problems, missing = _options(kind, part.Options, base)
    left, middle, right = st.columns(3)
    seeds = left.number_input(
        tr("Seeds"),
        1,
        100,
        hold_first("study.seeds", studies.STANDING_SEEDS),
        key="study.seeds",
        help=tr("Student's factor of a 95 % interval is 4.30 at 3 seeds, 2.78 at 5, 2.26 at 10. Below 3 seeds there is no verdict."),
    )
    model = {field.name: field for field in describe(studies.StudySettings)}
    band = middle.number_input(
        tr("Difference that does not matter (%)"), 0.0, 100.0, hold_first("study.band", 1.0), step=0.5, key="study.band", help=model["band"].about
    )
    value = _choice(model["value"], "study.value", right, tr("Values that count"))
    own = base.name or subject_in_words(base)
    title = st.text_input(tr("Title"), hold_first("study.title", ""), key="study.title", placeholder=own)
    draft = None
    for hint in missing:
        st.info(hint, icon=":material/edit:")
    if not problems and not missing:
        try:
            drafted = {"options": options, "band": (band or 0.0) / 100, "value": value}
            draft = studies.draft(kind, base, drafted, range(base.seed, base.seed + int(seeds)), title or "")
        except ConfigError as error:
            problems = [tr(str(problem)) for problem in error.problems]
    for problem in problems:
        st.error(words.plain(problem), icon=":material/block:")
    if draft:
        _summary(draft)
    label = tr("Start the study of {cells} {cells:run|runs}", cells=len(draft.cells) * len(draft.seeds)) if draft else tr("Start the study")
    click = {"on_click": _submit, "args": (draft, request_id())}
    st.button(label, icon=":material/science:", type="primary", disabled=draft is None, key="study.start", **click)
    for problem in st.session_state.pop("study.refused", []):
        st.error(words.plain(problem), icon=":material/block:")


def hold_index(key: str, choices: list[str]) -> int:
    """Place of the kept choice of a selectbox, the first one's if nothing is kept."""
    return choices.index(hold_first(key, choices[0], choices))


def _base() -> RunConfig | None:
    """The config to start from; None if it cannot be used, with the reason on screen."""
    known = {
        OWN: tr("Settings of the Train page"),
        **{f"preset:{name}": tr("Preset: {title}", title=tr(preset.title)) for name, preset in presets().items()},
    }
    known |= _runs_and_studies()
    chosen = st.selectbox(
        tr("Settings to start from"),
        list(known),
        hold_index("study.base", list(known)),
        key="study.base",
        format_func=words.text_of(known),
        filter_mode="contains",
    )
    sort, _, name = chosen.partition(":")
    try:
        if sort == "preset":
            return presets()[name].config
        if sort == "study":
            return studies.get(run_store(), name).base
        if sort == "run":
            run = run_store().get(name)
            return run.config.model_copy(update={"name": "", "changes": []})
        return RunConfig.from_dict(settings())
    except Exception as error:
        if not is_ours(error):
            raise
        st.error(words.plain(tr(str(error))), icon=":material/block:")
        return None


def _runs_and_studies() -> dict[str, str]:
    """What is offered to start from beside presets: runs, the bases of studies, then the runs that studies made, of which there are many."""
    cells, runs = studies.trained_for_studies(run_store()), listing(run_store().home.as_posix())
    own, others = [[run for run in runs if (run.id in cells) == is_cell][:NEWEST] for is_cell in (False, True)]
    of_studies = {
        f"study:{study.id}": words.with_whole(
            tr("Study: {title}  ·  {id}", title=words.shortened_inside(study.title, LETTERS), id=study.id), study.title
        )
        for study in studies.studies(run_store())[:NEWEST]
    }

    def text(run: Any) -> str:
        name = shown_name(run)
        return words.with_whole(tr("Run: {name}  ·  {id}", name=words.shortened_inside(name, LETTERS), id=run.id), name)

    own, others = ({f"run:{run.id}": text(run) for run in some} for some in (own, others))
    return own | of_studies | others


def _options(kind: str, model: type[BaseModel], base: RunConfig) -> tuple[dict[str, Any], list[str], list[str]]:
    """Values of the options of a kind, problems of what was typed, and what is still to be given."""
    fields, found = {field.name: field for field in describe(model)}, {}
    problems: list[str] = []
    missing: list[str] = []
    places = _pairs()
    for name, info in model.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        if extra.get("by_study") or (name in fields and not is_shown(fields[name], found)):
            continue
        key, about = f"study.{kind}.{name}", tr(info.description or "")
        if info.annotation == list[str]:
            found[name] = next(places).multiselect(_label(name), list(base.tasks), key=key, help=about, placeholder=tr("All tasks"), wrap=True)
        elif info.annotation == list[PartConfig]:
            chosen = st.multiselect(
                _label(name),
                list(BALANCERS),
                key=key,
                help=about,
                wrap=True,
                placeholder=tr("Choose balancing methods"),
                filter_mode="contains",
                select_all=False,
            )
            found[name] = [_with_options(method, f"{key}.{method}", problems) for method in chosen]
            missing += [] if chosen else [tr("Choose at least one balancing method.")]
        elif info.annotation == list[float]:
            text = next(places).text_input(_label(name), hold_first(key, ", ".join(f"{value:g}" for value in info.default)), key=key, help=about)
            found[name] = _read(f"[{text}]", _label(name), problems)
        elif typing.get_origin(info.annotation) is dict:
            found[name] = _axes(key, about, problems)
            missing += [] if found[name] or problems else [tr("Give at least one setting and its values.")]
        elif fields[name].kind == "choice":
            found[name] = _choice(fields[name], key, next(places))
        else:
            found[name] = next(places).number_input(
                _label(name), int(fields[name].low or 0), int(fields[name].high or 100), hold_first(key, info.default), key=key, help=about
            )
    return found, problems, missing


def _pairs() -> Iterator[Any]:
    """Places for fields, two in a row."""
    while True:
        yield from st.columns(2)


def _with_options(method: str, key: str, problems: list[str]) -> Any:
    """A balancing method as the study takes it: its name, with the options that are typed."""
    fields = BALANCERS.load(method).Options.model_fields
    title = tr(part_title("balancing", method))
    if not fields:
        return method
    example = ", ".join(f"{name}: {json.dumps(info.default)}" for name, info in fields.items() if not info.is_required())
    about = "\n".join(f"- `{name}`: {tr(info.description or '')}" for name, info in fields.items())
    label = tr("Options of {method}", method=words.plain(title))
    text = st.text_input(label, hold_first(key, ""), key=key, placeholder=example, help=about)
    values = _read(f"{{{text}}}", label, problems) if text and text.strip() else {}
    return {"name": method, **values} if isinstance(values, dict) and values else method


def _label(name: str) -> str:
    return tr(LABELS.get(name) or name.replace("_", " ").capitalize())


def _choice(field: Field, key: str, place: Any, label: str = "") -> Any:
    choices = list(field.choices)
    kept = hold_first(key, field.default, choices)
    return place.selectbox(
        label or _label(field.name),
        choices,
        choices.index(kept),
        key=key,
        format_func=lambda choice: tr(field.choice_text(choice)),
        help=field.about,
    )


def _axes(key: str, about: str, problems: list[str]) -> dict[str, Any]:
    st.caption(tr("{about} A value is written as in YAML, several with commas.", about=about))
    found: dict[str, Any] = {}
    for number in range(MOST_AXES):
        left, right = st.columns([1, 2])
        name = left.text_input(
            tr("Setting"), key=f"{key}.{number}.name", placeholder=tr("e.g. {example}", example=EXAMPLE_AXES[number][0]), label_visibility="collapsed"
        )
        text = right.text_input(
            tr("Values"),
            key=f"{key}.{number}.values",
            placeholder=tr("e.g. {example}", example=EXAMPLE_AXES[number][1]),
            label_visibility="collapsed",
        )
        if name.strip() and text.strip():
            found[name.strip()] = _read(f"[{text}]", name.strip(), problems)
        elif name.strip() or text.strip():
            problems.append(tr("axis {number}: give a setting and its values", number=number + 1))
    return found


def _read(text: str, name: str, problems: list[str]) -> Any:
    try:
        return read_yaml(text)
    except ConfigError as error:
        problems.append(f"{name}: {tr(str(error))}")
        return []


def _summary(draft: studies.Study) -> None:
    """The cells and the estimate."""
    expected = estimate(run_store(), draft)
    st.markdown(
        tr(
            "**{cells} {cells:cell|cells} × {seeds} {seeds:seed|seeds} = {runs} {runs:run|runs}.** {estimate_text}",
            cells=len(draft.cells),
            seeds=len(draft.seeds),
            runs=expected.runs,
            estimate_text=words.plain(estimate_text(expected)),
        )
    )
    if expected.runs - expected.existing and len(draft.seeds) < 3:
        st.caption(tr("Fewer than 3 seeds give differences, but no verdict."))
    with st.expander(tr("The {cells} {cells:cell|cells}: what each seed trains", cells=len(draft.cells))):
        st.markdown("\n".join(f"- {words.plain(cell.label)}" for cell in draft.cells))


def estimate_text(expected: Estimate) -> str:
    """What is left to train, and about how long it takes."""
    left = expected.runs - expected.existing
    if not left:
        return tr("All of them exist already.")
    one, several = mark("1 run exists already and is taken. "), mark("{existing} exist already and are taken. ")
    taken = tr(one if expected.existing == 1 else several, existing=expected.existing) if expected.existing else ""
    if expected.seconds is None:
        return tr("{taken}{basis}.", taken=taken, basis=words.capitalised(expected.basis))
    return tr("{taken}Estimate: {about} {basis}.", taken=taken, about=words.about(expected.seconds), basis=expected.basis)


def _submit(draft: studies.Study, request: str) -> None:
    """Make and start the study. A second click sends the same id and opens the same study."""
    refused = []
    for cell in draft.cells:
        refused = [f"{cell.label}: {tr(str(problem))}" for problem in check_settings(cell.config.to_dict())[1]]
        if refused:
            break
    try:
        if not refused:
            made = studies.create(run_store(), draft, request)
            studies.start(run_store(), made.id)
    except Exception as error:
        if not is_ours(error):
            raise
        refused = [tr(str(error))]
    if refused:
        st.session_state["study.refused"] = refused
        return
    jobs.start_worker(run_store())
    end_request(request)
    listing.clear()
    go_to("studies", study=made.id)
