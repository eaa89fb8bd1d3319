"""Cards of runs that failed, stopped, hang or were interrupted: the reason, and what to do."""

from __future__ import annotations

import re
import shutil
from typing import Any

import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.config_differences import value_of
from mtl_core.language import HalfUp, mark, tr
from mtl_core.runs import resume_and_fork
from mtl_core.runs.failures import Facts, facts_of
from mtl_core.runs.store import RunStore
from mtl_core.training.checkpoint_files import KeptCheckpoint, kept_checkpoints
from ui.run.run_actions import clone_of, fork_of, give_up_button
from ui.shell import words

TITLES = {
    "config": mark("The settings are invalid"),
    "data": mark("The data could not be read"),
    "out_of_memory": mark("Out of memory"),
    "non_finite": mark("The loss is not a finite number"),
    "disk_full": mark("The disk is full"),
    "store": mark("The run store could not be written"),
    "file": mark("A file could not be used"),
    "training": mark("Training could not continue"),
    "bug": mark("An error in the program"),
}
KEY = re.compile(r" ?[(（]([a-z_]+)(?:\.[a-z_]+)*(?:[:：] ?\w+)?[)）]")  # in brackets
TRACE_LINES = 12  # the innermost ones; the log file has the whole traceback


def ending_card(store: RunStore, run: Any) -> None:
    """Draw why the run ended early or hangs; nothing for any other run."""
    status = str(run.status)
    if status == "failed":
        _failed(store, run)
    elif status == "interrupted":
        st.warning(_interrupted(store, run), icon=":material/power_off:")
    elif status == "stopped":
        st.info(_stopped(store, run), icon=":material/stop:")
    elif run.is_hung:
        _hung(run)


def _interrupted(store: RunStore, run: Any) -> str:
    """What ended the process, as far as the log says it, what is kept, and what to do."""
    said = tr(
        "**Interrupted {how_far}**: its process has ended. {what_is_kept}", how_far=words.how_far(run.epoch), what_is_kept=what_is_kept(store, run)
    )
    lines = [line.text for line in store.log(run.id) if line.text.startswith("interrupted")]
    if lines and lines[-1].startswith("interrupted after"):  # the trainer itself noted how far it came
        return f"{said}  \n{tr('The program that trained it was closed.')}"
    if lines and not lines[-1].endswith("the process that trained it is gone"):
        return f"{said}  \n{tr('The log says: {line}.', line=words.plain(tr(lines[-1]).rstrip('.')))}"
    reasons = tr("It left no message, as when the machine goes off, a person ends the process, or the system ends it because memory is short.")
    again = tr("If that happens again at the same place, clone the run with a batch size below {batch_size}.", batch_size=run.config.batch_size)
    return f"{said}  \n{reasons} {again if run.config.batch_size > 1 else ''}".rstrip()


def _stopped(store: RunStore, run: Any) -> str:
    if not run.step:
        return tr("Stopped before the first step. Resume puts the run back into the queue.")
    return tr(
        "Stopped {how_far} of {epochs}. {what_is_kept}", how_far=words.how_far(run.epoch), epochs=run.epochs, what_is_kept=what_is_kept(store, run)
    )


def _last_checkpoint(store: RunStore, run: Any) -> KeptCheckpoint | None:
    return next(reversed(kept_checkpoints(store.folder(run.id))), None)


def goes_on(store: RunStore, run: Any) -> str:
    """Where a queued run that has begun goes on, in words: at its last checkpoint, before the last step that it did. Empty for a new run."""
    if not run.step:
        return ""
    last = _last_checkpoint(store, run)
    if last is None:
        return tr("It has no checkpoint, so it starts from the beginning.")
    return tr("It continues {how_far}.", how_far=words.how_far(last.epoch if last.whole_epoch else last.epoch + 0.5))


def what_is_kept(store: RunStore, run: Any) -> str:
    """The checkpoint that Resume continues from, in words."""
    last = _last_checkpoint(store, run)
    if last is None:
        return tr("No checkpoint was saved: Resume starts from the beginning.")
    if last.whole_epoch:
        return tr("Resume continues from the checkpoint after epoch {epoch} (step {step:,}).", epoch=last.epoch, step=last.step)
    return tr("Resume continues from the checkpoint in epoch {epoch} (step {step:,}).", epoch=last.epoch + 1, step=last.step)


def _hung(run: Any) -> None:
    with st.container(border=True, key="failure"):
        st.warning(
            tr(
                "**No heartbeat for {duration}.** No process has ended the run, but its training does not report.",
                duration=words.duration(run.silent_seconds),
            ),
            icon=":material/heart_broken:",
        )
        st.markdown(
            tr(
                "The training may be waiting for a slow disk or a busy machine. If no heartbeat comes, mark the run interrupted: the hanging "
                "training can then write nothing more, and Resume continues from the last checkpoint."
            )
        )
        give_up_button(run)


def _failed(store: RunStore, run: Any) -> None:
    failure = run.failure or {}
    with st.container(border=True, key="failure"):
        title = tr(TITLES.get(failure.get("kind", ""), mark("The run failed")))
        where = words.how_far(run.epoch if run.step else 0)
        message = words.plain(what_happened(failure))
        st.error(tr("**{title}** {where}.", title=title, where=where) + f"  \n{message}", icon=":material/error:")
        kept = [checkpoint.epoch for checkpoint in resume_and_fork.forkable(store, run.id)]
        now = resume_and_fork.config_after(run, kept[-1]) if kept else run.config.at_step(run.step)  # with the live changes until then
        offered = cures(now, failure.get("kind", ""), kept, facts_of(failure))
        said = advice(store, run, now, failure, [label for label, *_ in offered])
        lines = [f":material/healing: {said}"] if said else []
        lines += [f":material/save: {what_is_kept(store, run)}"] if run.step else []
        st.markdown("  \n".join(lines))
        _cures(run, offered)
        if failure.get("kind") == "data":
            label, query = (tr("Import it"), {"new": "1"}) if run.config.imported_set else (tr("Open the data sets"), {})
            st.page_link("pages/data.py", label=label, icon=":material/photo_library:", query_params=query)
        _trace(store, run, failure.get("trace", ""))


def advice(store: RunStore, run: Any, config: Any, failure: dict[str, Any], buttons: list[str]) -> str:
    """What this run would have needed, and what to do next, with its own settings and the names of the buttons; Markdown.

    Args:
        config: its settings where it failed, with its live changes.
        buttons: labels of the buttons below the advice.
    """
    kind, facts = failure.get("kind", ""), facts_of(failure)
    if kind == "non_finite":
        return _of_a_loss(config, facts.task, buttons)
    if kind == "out_of_memory":
        return _of_memory(run, config, buttons)
    if facts.missing_set:
        said = mark(
            "The run needs the imported data set **{name}**. Import its files under this name, with **Import it** below. Then press **Resume**."
        )
        return tr(said, name=words.plain(facts.missing_set))
    if kind == "disk_full":
        free, there = shutil.disk_usage(store.home).free, words.plain(str(store.home))
        said = mark(
            "A run has to write its checkpoints and predictions. The disk of {folder} has {free} free now. Delete runs that you do not need on "
            "**Compare**, or other files of that disk, then press **Resume**. What was saved before is kept."
        )
        return tr(said, folder=there, free=words.size(free))
    if kind == "bug":
        return tr(
            "The program ended where it should have gone on. This is its fault, not that of your settings. Press **Resume** to try again. "
            "If it fails at the same place, report it: the trace and the full log are below, and **Export** has the settings."
        )
    return words.plain(without_keys(tr(failure["cure"]))) if failure.get("cure") else ""


def _of_a_loss(config: Any, task: str, buttons: list[str]) -> str:
    bound = tr("no bound on the gradient") if config.gradient_clip is None else tr("a gradient clip of {clip:g}", clip=config.gradient_clip)
    expected = mark("Every loss has to be a finite number. The run had a learning rate of {lr:g} and {bound}.")
    said = [tr(expected, lr=HalfUp(config.optimizer.lr), bound=bound)]
    if buttons:
        said.append(tr("Press **{button}** below.", button=buttons[0]))
    clip = tr("set a *gradient clip* of 1") if config.gradient_clip is None else tr("halve the *gradient clip*")
    if task in config.tasks:
        name = max([task, *config.tasks], key=lambda each: config.tasks[each].loss_weight)  # the named one, if no other weighs more
        weight = value_of(("tasks", name, "loss_weight"), config.tasks[name].loss_weight)
        again = mark("If it happens again, {clip}, or lower the loss weight of **{task}**, which is {weight}.")
        said.append(tr(again, clip=clip, task=words.plain(name), weight=words.plain(weight)))
    else:
        said.append(tr("If it happens again, {clip}.", clip=clip))
    return " ".join(said)


def _of_memory(run: Any, config: Any, buttons: list[str]) -> str:
    parts = tr(" in {parts} parts", parts=config.accumulate) if config.accumulate > 1 else ""
    device = tr("this machine") if run.device in ("cpu", "auto") else run.device
    step = mark("A step takes {batch:,} {batch:image|images}{parts}, and the memory of {device} has to hold it.")
    said = [tr(step, batch=config.batch_size, parts=parts, device=device)]
    if len(buttons) > 1:
        said.append(tr("Press **{first}** below, or **{second}**, which keeps the batch size.", first=buttons[0], second=buttons[1]))
    elif buttons:
        said.append(tr("Press **{button}** below.", button=buttons[0]))
    else:
        said.append(tr("Press **Clone** and choose a smaller backbone, or smaller images."))
    said.append(tr("Or end other programs that use the memory, then press **Resume**."))
    return " ".join(said)


def without_keys(text: str) -> str:
    """The text without keys of the config in brackets, which are for the command line: the buttons below it change these settings."""
    return KEY.sub(lambda found: "" if found[1] in RunConfig.model_fields else found[0], text)


def what_happened(failure: dict[str, Any]) -> str:
    """The recorded message as a sentence in the reader's language, without its advice where the card gives its own."""
    facts = facts_of(failure)
    if facts.missing_set:
        return tr("There is no imported data set '{name}' in this store.", name=facts.missing_set)
    if facts.fault:
        return words.capitalised(tr("{sentence}.", sentence=tr(facts.fault)))
    return words.capitalised(tr(failure.get("message") or mark("No reason was recorded.")))


def _cures(run: Any, offered: list[tuple[str, int | None, str]]) -> None:
    """Draw a button for each change that may help."""
    if not offered:
        return
    with st.container(horizontal=True, gap="small"):
        for number, (label, epoch, change) in enumerate(offered):
            icon, go, args = ":material/content_copy:", clone_of, (run.id, change)
            if epoch is not None:
                icon, go, args = ":material/fork_right:", fork_of, (run.id, epoch, change)
            first = "primary" if number == 0 else "secondary"
            st.button(label, type=first, icon=icon, key=f"cure.{number}.{run.id}", on_click=go, args=args)


def cures(config: Any, kind: str, kept: list[int], facts: Facts) -> list[tuple[str, int | None, str]]:
    """Changes that may prevent a failure of this kind: (label, epoch to fork from or None for a clone, ``key=value``)."""
    if kind == "out_of_memory" and config.batch_size > 1 and facts.fits != 0:
        less = min(facts.fits, config.batch_size - 1) if facts.fits else config.batch_size // 2
        smaller = (tr("Clone with batch size {batch_size}", batch_size=less), None, f"batch_size={less}")
        parts = 2 * config.accumulate
        if config.batch_size % parts:
            return [smaller]
        return [smaller, (tr("Clone with batches in {parts} parts", parts=parts), None, f"accumulate={parts}")]
    if kind == "non_finite":
        epoch = kept[-1] if kept else None
        slower = f"{HalfUp(config.optimizer.lr / 10):.3g}"
        if epoch is None:
            labels = tr("Clone with learning rate {slower}", slower=slower), tr("Clone and skip such steps")
        else:
            labels = (
                tr("Fork from epoch {epoch} with learning rate {slower}", epoch=epoch, slower=slower),
                tr("Fork from epoch {epoch} and skip such steps", epoch=epoch),
            )
        found = [(labels[0], epoch, f"optimizer.lr={slower}")]
        if config.on_non_finite == "stop":
            found.append((labels[1], epoch, "on_non_finite=skip"))
        return found
    return []


def _trace(store: RunStore, run: Any, trace: str) -> None:
    if not trace:
        return
    with st.expander(tr("Details for a bug report"), icon=":material/bug_report:"):
        st.code(short_trace(trace), language=None)
        full_log_button(store, run, key="failure.log")


def short_trace(trace: str) -> str:
    """The innermost lines of a traceback."""
    lines = trace.rstrip().splitlines()
    left_out = len(lines) - TRACE_LINES
    return "\n".join(
        ([tr("(the full log has {left_out} {left_out:line|lines} before these)", left_out=left_out)] if left_out > 0 else []) + lines[-TRACE_LINES:]
    )


def full_log_button(store: RunStore, run: Any, key: str) -> None:
    """Draw the download of the run's log file, which has whole tracebacks."""
    path = store.folder(run.id) / "log.txt"

    def read() -> str:
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    name = f"{run.id}-log.txt"
    st.download_button(tr("Full log"), read, file_name=name, mime="text/plain", icon=":material/download:", on_click="ignore", key=key)
