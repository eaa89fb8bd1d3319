"""Where runs train, in this server or each in a process of its own, and with how many processor threads there."""

from __future__ import annotations

import streamlit as st

from mtl_core import settings as mtl_settings
from mtl_core.errors import ConfigError
from mtl_core.language import mark, tr
from mtl_core.machine.processor_cores import cores
from ui.shell.error_boundary import is_ours
from ui.shell.state import hold, run_store
from ui.shell.words import plain, translated

EXECUTOR_TITLES = {"thread": mark("In this server"), "process": mark("In a process of its own")}
TITLES = {"executor": mark("Where runs train"), "threads": mark("Processor threads of a run")}
REFUSED = "executor_refused"  # session key: why the store did not take a choice


def executor_choice() -> None:
    """Draw the choice of the store's executor, and of the threads of a run's own process."""
    from mtl_core.runs.jobs import EXECUTORS, executor_of

    try:
        fixed, current = mtl_settings.executor(), executor_of(run_store())
    except ConfigError as error:
        st.error(tr(str(error)))
        return
    if fixed == mtl_settings.CLUSTER:
        st.caption(tr(":material/lock: Runs train on the Ray cluster at {address}, as MTL_EXECUTOR says.", address=mtl_settings.ray_address()))
        return
    hold("executor", current)
    if refused := st.session_state.pop(REFUSED, ""):
        st.error(plain(tr(refused)), icon=":material/block:")
    st.segmented_control(
        tr(TITLES["executor"]),
        EXECUTORS,
        default=current,
        required=True,
        key="executor",
        format_func=translated(EXECUTOR_TITLES),
        disabled=bool(fixed),
        on_change=_take,
        args=("executor",),
        label_visibility="collapsed",
    )
    about = tr(
        "In this server, a run starts at once. In a process of its own it starts some seconds later, but a crash, a hang or lack of memory "
        "cannot take the dashboard down with it. The choice applies from the next run on."
    )
    st.caption(tr(":material/lock: Fixed by MTL_EXECUTOR={fixed} in the server's environment. {about}", fixed=fixed, about=about) if fixed else about)
    _threads(current)


def _threads(executor: str) -> None:
    """Draw the number of threads: a choice for processes; in this server, what fixes it."""
    from mtl_core.runs.jobs import worker_threads

    set_for_all, is_open = mtl_settings.threads(), executor == "process" and not mtl_settings.threads()
    try:
        count = worker_threads(run_store()) if is_open else set_for_all
    except ConfigError as error:
        st.error(plain(tr(str(error))))
        count = None
    choices = ["", *(str(number) for number in range(1, cores() + 1))]
    current = str(count or "")
    choices += [current] if current not in choices else []
    key = "threads" if is_open else "threads.fixed"  # a browser may report what one shows after the other has taken its place
    about = tr(
        "The number of threads that compute a run on the processor. Cores of this machine: {cores}. Beside other work, fewer threads can be faster. "
        "With another number, sums are split otherwise, and results differ in their last digits. A run's page shows its number beside Device.",
        cores=cores(),
    )
    with st.columns([2, 3])[0]:
        st.selectbox(
            tr(TITLES["threads"]),
            choices,
            choices.index(hold(key, current)),
            key=key,
            format_func=lambda number: number or tr("PyTorch's own number"),
            disabled=not is_open,
            on_change=_take,
            args=("threads",),
            help=about,
        )
    if set_for_all:
        st.caption(tr(":material/lock: Fixed by MTL_THREADS={count} in the server's environment, for all runs.", count=set_for_all))
    elif not is_open:
        about = tr(
            "In this server all runs have one number of threads, which MTL_THREADS in its environment sets. A run in a process of its own can have "
            "another one, which is chosen here."
        )
        st.caption(about)


def _take(key: str) -> None:
    """Keep a choice as the store's setting."""
    try:
        run_store().set(key, st.session_state[key])
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state[REFUSED] = str(error)
