"""The field of the Train form that takes settings as YAML, for example those of another run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.config_sections import BackboneConfig, DataConfig
from mtl_core.data import open_source
from mtl_core.errors import ConfigError, Problem
from mtl_core.language import tr
from mtl_core.plain_yaml import read_yaml
from mtl_core.registry import Registry, validated
from mtl_core.sharing import SHARING_SCHEMES
from ui.shell import state
from ui.shell.words import plain


def yaml_section() -> None:
    """Draw the field that takes settings as YAML, for example from another run."""
    with st.expander(tr("Use settings from YAML"), icon=":material/content_paste:"), st.form("yaml", border=False):
        st.text_area(
            "YAML",
            key="yaml_text",
            height=180,
            label_visibility="collapsed",
            placeholder="data: {name: digits}\ntasks: {digit: {}}\nbackbone: {name: small_cnn}",
        )
        st.form_submit_button(tr("Use these settings"), icon=":material/check:", on_click=_take_yaml)
        for problem in st.session_state.pop("yaml_problems", []):
            st.error(problem)


def _take_yaml() -> None:
    text = st.session_state["yaml_text"]
    found = _problems_of_yaml(text)
    if found:
        st.session_state["yaml_problems"] = [plain(tr(str(problem))) for problem in found]
    else:
        state.replace_settings(RunConfig.from_yaml(text).to_dict(), state.preset_name())


def _problems_of_yaml(text: str) -> list[Problem]:
    """All problems that keep the form from taking these settings: keys, values, parts and their options."""
    try:
        values = read_yaml(text)
    except ConfigError as error:
        return list(error.problems)
    found: list[Problem] = []

    def note(check: Callable[[], Any]) -> None:
        try:
            check()
        except ConfigError as error:
            found.extend(problem for problem in error.problems if problem not in found)

    note(lambda: RunConfig.from_dict(values))
    if isinstance(values, dict):  # parts are also checked where the config as a whole is invalid
        for field, check in _part_checks().items():
            part = values.get(field)
            if isinstance(part, dict) and isinstance(part.get("name"), str):
                note(lambda part=part, check=check: check(part))
    return found


def _part_checks() -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Field of the config -> function that raises for an unknown part or option. Parts that import torch are checked once torch is loaded."""
    from mtl_core.runs.jobs import warmed

    def of(registry: Registry, field: str) -> Callable[[dict[str, Any]], Any]:
        def check(part: dict[str, Any]) -> None:
            beside = BackboneConfig.model_fields if field == "backbone" else ("name",)
            options = {key: value for key, value in part.items() if key not in beside}
            validated(registry.load(part["name"], f"{field}.name").Options, options, field, beside)

        return check

    checks: dict[str, Callable[[dict[str, Any]], Any]] = {"data": lambda part: open_source(validated(DataConfig, part, "data"))}
    if warmed():
        registries = {"backbone": BACKBONES, "balancing": BALANCERS, "sharing": SHARING_SCHEMES}
        checks |= {field: of(registry, field) for field, registry in registries.items()}
    return checks
