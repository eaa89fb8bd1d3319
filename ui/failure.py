"""Why a run is not going on, and what to do about it: a card for each way to end badly."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.runs import lineage
from mtl_core.runs.store import RunStore
from mtl_core.training.checkpoint_files import kept_checkpoints
from ui import words
from ui.run_actions import clone_of, fork_of, give_up_button

TITLES = {
    "config": "The settings do not work",
    "data": "The data could not be read",
    "out_of_memory": "Out of memory",
    "non_finite": "The loss is no longer a number",
    "disk_full": "The disk is full",
    "store": "The run store could not be written",
    "file": "A file could not be used",
    "training": "Training could not go on",
    "bug": "A fault of the program",
}
TRACE_LINES = 12  # the innermost ones; the whole of it is in the log file


def ending_card(store: RunStore, run: Any) -> None:
    """What kept the run from finishing, or keeps it from going on; nothing for one that is well."""
    status = str(run.status)
    if status == "failed":
        _failed(store, run)
    elif status == "interrupted":
        st.warning(f"**Interrupted {words.how_far(run.epoch)}**: its process is gone. {what_is_kept(store, run)}", icon=":material/power_off:")
    elif status == "stopped":
        st.info(_stopped(store, run), icon=":material/stop:")
    elif run.is_hung:
        _hung(run)


def _stopped(store: RunStore, run: Any) -> str:
    if not run.step:
        return "Stopped before it began. Resume puts it back in the queue."
    return f"Stopped {words.how_far(run.epoch)} of {run.epochs}. {what_is_kept(store, run)}"


def what_is_kept(store: RunStore, run: Any) -> str:
    """What Resume goes on from."""
    last = next((checkpoint for checkpoint in reversed(kept_checkpoints(store.folder(run.id)))), None)
    if last is None:
        return "No checkpoint had been saved yet: Resume begins anew."
    where = f"after epoch {last.epoch}" if last.whole_epoch else f"in epoch {last.epoch + 1}"
    return f"Resume goes on from the checkpoint {where} (step {last.step:,})."


def _hung(run: Any) -> None:
    with st.container(border=True, key="failure"):
        st.warning(
            f"**No sign of life for {words.duration(run.silent_seconds)}.** Its process is there, but the training in it is silent.",
            icon=":material/heart_broken:",
        )
        st.markdown(
            "It may be waiting for a slow disk or a busy machine. If nothing comes, mark it interrupted: what hangs may then write "
            "nothing more, and Resume goes on from the last checkpoint."
        )
        give_up_button(run)


def _failed(store: RunStore, run: Any) -> None:
    failure = run.failure or {}
    with st.container(border=True, key="failure"):
        title = TITLES.get(failure.get("kind", ""), "The run failed")
        where = f" {words.how_far(run.epoch) if run.step else words.how_far(0)}"
        message = words.plain(what_happened(failure))
        st.error(f"**{title}**{where}.  \n{message}", icon=":material/error:")
        advice = [f":material/healing: {words.plain(failure['cure'])}"] if failure.get("cure") else []
        advice += [f":material/save: {what_is_kept(store, run)}"] if run.step else []
        st.markdown("  \n".join(advice))
        _cures(store, run, failure.get("kind", ""))
        _trace(store, run, failure.get("trace", ""))


def what_happened(failure: dict[str, Any]) -> str:
    """The recorded message as a sentence; without the advice in it where the card gives its own."""
    message = failure.get("message") or "No reason was recorded."
    if failure.get("kind") == "non_finite":
        message = message.partition(". ")[0].rstrip(".") + "."
    return message[:1].upper() + message[1:]


def _cures(store: RunStore, run: Any, kind: str) -> None:
    """Buttons that do what the sentence says."""
    kept = [checkpoint.epoch for checkpoint in lineage.forkable(store, run.id)]
    now = lineage.config_after(run, kept[-1]) if kept else run.config.at_step(run.step)  # with what was changed live until then
    offered = cures(now, kind, kept)
    if not offered:
        return
    with st.container(horizontal=True, gap="small"):
        for number, (label, epoch, change) in enumerate(offered):
            icon, go, args = ":material/content_copy:", clone_of, (run.id, change)
            if epoch is not None:
                icon, go, args = ":material/fork_right:", fork_of, (run.id, epoch, change)
            first = "primary" if number == 0 else "secondary"
            st.button(label, type=first, icon=icon, key=f"cure.{number}.{run.id}", on_click=go, args=args)


def cures(config: Any, kind: str, kept: list[int]) -> list[tuple[str, int | None, str]]:
    """(label, epoch to fork from or None for a clone, ``key=value``) of each change that may cure a failure of this kind."""
    if kind == "out_of_memory" and config.batch_size > 1:
        return [(f"Clone with batch size {config.batch_size // 2}", None, f"batch_size={config.batch_size // 2}")]
    if kind == "non_finite":
        epoch = kept[-1] if kept else None
        begin = "Clone" if epoch is None else f"Fork from epoch {epoch}"
        slower = f"{config.optimizer.lr / 10:.3g}"
        found = [(f"{begin} with learning rate {slower}", epoch, f"optimizer.lr={slower}")]
        if config.on_non_finite == "stop":
            found.append((f"{begin}, leaving out such steps", epoch, "on_non_finite=skip"))
        return found
    return []


def _trace(store: RunStore, run: Any, trace: str) -> None:
    if not trace:
        return
    with st.expander("Details for a bug report", icon=":material/bug_report:"):
        st.code(short_trace(trace), language=None)
        full_log_button(store, run, key="failure.log")


def short_trace(trace: str) -> str:
    """The innermost lines of a trace, which say where it happened and what."""
    lines = trace.rstrip().splitlines()
    left_out = len(lines) - TRACE_LINES
    return "\n".join(([f"({left_out} lines before these are in the full log)"] if left_out > 0 else []) + lines[-TRACE_LINES:])


def full_log_button(store: RunStore, run: Any, key: str) -> None:
    """The run's log file, with whole traces."""
    path = store.folder(run.id) / "log.txt"

    def read() -> str:
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    name = f"{run.id}-log.txt"
    st.download_button("Full log", read, file_name=name, mime="text/plain", icon=":material/download:", on_click="ignore", key=key)
