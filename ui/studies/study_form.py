"""The form of a new study: question, settings to start from, options of its kind, seeds, and an estimate of the work."""

from __future__ import annotations

import typing
from typing import Any

import streamlit as st
from pydantic import BaseModel

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.config_sections import PartConfig
from mtl_core.errors import ConfigError
from mtl_core.language import mark, tr
from mtl_core.plain_yaml import read_yaml
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
LABELS = {  # option of a kind of study -> its label
    "tasks": mark("Tasks"),
    "budget": mark("Budget"),
    "methods": mark("Methods"),
    "sweep": mark("Sweep"),
    "groups": mark("Groups"),
    "way": mark("Way"),
    "parts": mark("Parts"),
    "trials": mark("Trials"),
    "widest": mark("Widest"),
    "sampler_seed": mark("Sampler seed"),
    "fractions": mark("Fractions"),
}
EXAMPLE_AXES = ("optimizer.lr", "backbone", "batch_size")


def study_form() -> None:
    """Draw the form with its estimate and its button."""
    kind = st.selectbox(
        tr("Question"),
        list(STUDY_KINDS),
        hold_index("study.kind", list(STUDY_KINDS)),
        key="study.kind",
        format_func=lambda name: tr(STUDY_KINDS.load(name).title),
    )
    part = STUDY_KINDS.load(kind)
    st.caption(tr(part.summary))
    base = _base()
    if base is None:
        return
    options, problems = _options(kind, part.Options, base)
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
        tr("Difference that does not matter (%)"), 0.0, 100.0, hold_first("study.band", 1.0), step=0.5, key="study.band", help=tr(model["band"].help)
    )
    value = _choice(model["value"], "study.value", right, tr("Values of"))
    title = st.text_input(tr("Title"), hold_first("study.title", ""), key="study.title", placeholder=base.name or base.subject(), max_chars=120)
    draft = None
    if not problems:
        try:
            drafted = {"options": options, "band": (band or 0.0) / 100, "value": value}
            draft = studies.draft(kind, base, drafted, range(base.seed, base.seed + int(seeds)), title or "")
        except ConfigError as error:
            problems = [tr(str(problem)) for problem in error.problems]
    for problem in problems:
        st.error(words.plain(problem), icon=":material/block:")
    if draft:
        _summary(draft)
    label = tr("Start the study of {cells} runs", cells=len(draft.cells) * len(draft.seeds)) if draft else tr("Start the study")
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
    known |= {f"run:{run.id}": tr("Run: {name}  ·  {id}", name=run.name, id=run.id) for run in listing(run_store().home.as_posix())[:NEWEST]}
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
        if sort == "run":
            run = run_store().get(name)
            return run.config.model_copy(update={"name": "", "changes": []})
        return RunConfig.from_dict(settings())
    except Exception as error:
        if not is_ours(error):
            raise
        st.error(words.plain(tr(str(error))), icon=":material/block:")
        return None


def _options(kind: str, model: type[BaseModel], base: RunConfig) -> tuple[dict[str, Any], list[str]]:
    """Values of the options of a kind, and problems of what was typed."""
    fields, found, problems = {field.name: field for field in describe(model)}, {}, []
    for name, info in model.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        if extra.get("by_study") or (name in fields and not is_shown(fields[name], found)):
            continue
        key, about = f"study.{kind}.{name}", tr(info.description or "")
        if info.annotation == list[str]:
            found[name] = st.multiselect(_label(name), list(base.tasks), key=key, help=about, placeholder=tr("All tasks"), wrap=True)
        elif info.annotation == list[PartConfig]:
            found[name] = st.multiselect(
                _label(name),
                list(BALANCERS),
                key=key,
                help=about,
                wrap=True,
                placeholder=tr("Choose balancing methods"),
                filter_mode="contains",
                select_all=False,
            )
        elif info.annotation == list[float]:
            text = st.text_input(_label(name), hold_first(key, ", ".join(f"{value:g}" for value in info.default)), key=key, help=about)
            found[name] = _read(f"[{text}]", _label(name), problems)
        elif typing.get_origin(info.annotation) is dict:
            found[name] = _axes(key, about, problems)
        elif fields[name].kind == "choice":
            found[name] = _choice(fields[name], key, st)
        else:
            found[name] = st.number_input(
                _label(name), int(fields[name].low or 0), int(fields[name].high or 100), hold_first(key, info.default), key=key, help=about
            )
    return found, problems


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
        help=tr(field.help),
    )


def _axes(key: str, about: str, problems: list[str]) -> dict[str, Any]:
    st.caption(tr("{about} A value is written as in YAML, several with commas.", about=about))
    found: dict[str, Any] = {}
    for number in range(MOST_AXES):
        left, right = st.columns([1, 2])
        name = left.text_input(
            tr("Setting"), key=f"{key}.{number}.name", placeholder=tr("e.g. {example}", example=EXAMPLE_AXES[number]), label_visibility="collapsed"
        )
        text = right.text_input(
            tr("Values"), key=f"{key}.{number}.values", placeholder=tr("e.g. {example}", example="0.001, 0.003, 0.01"), label_visibility="collapsed"
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
            "**{cells} cells × {seeds} seeds = {runs} runs.** {estimate_text}",
            cells=len(draft.cells),
            seeds=len(draft.seeds),
            runs=expected.runs,
            estimate_text=words.plain(estimate_text(expected)),
        )
    )
    if expected.runs - expected.existing and len(draft.seeds) < 3:
        st.caption(tr("Fewer than 3 seeds give differences, but no verdict."))
    with st.expander(tr("Cells")):
        st.markdown("\n".join(f"- {words.plain(cell.label)}" for cell in draft.cells))


def estimate_text(expected: Estimate) -> str:
    """What is left to train, and about how long it takes."""
    left = expected.runs - expected.existing
    if not left:
        return tr("All of them exist already.")
    taken = tr("{existing} exist already and are taken. ", existing=expected.existing) if expected.existing else ""
    if expected.seconds is None:
        return tr("{taken}{basis}.", taken=taken, basis=f"{expected.basis[:1].upper()}{expected.basis[1:]}")
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
