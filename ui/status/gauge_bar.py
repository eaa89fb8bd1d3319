"""The machine's gauges in the status bar, while a run trains: processor, memory, the run's memory, free disk, GPUs."""

from __future__ import annotations

import html
import socket
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from mtl_core.figures.colours import PALETTE
from mtl_core.figures.sparkline import share_sparkline
from mtl_core.language import tr
from mtl_core.machine.machine_gauges import Gauges, MachineGauges
from mtl_core.runs.alerts.run_alerts import LOW_DISK
from mtl_core.runs.store import RunStore
from ui.shell import words

HIGH_MEMORY = 0.9  # of the machine; above it the gauge is marked
LINE = PALETTE[0]
LEAST_HISTORY = 2  # samples that a line needs


@st.cache_resource(max_entries=4, show_spinner=False)
def _gauges(home: str) -> MachineGauges:
    return MachineGauges(Path(home))


def sample(store: RunStore, run_id: str) -> Gauges:
    """The present gauges; the run's memory if its process is on this machine. ``run_id``: empty for no run."""
    owner = store.owner(run_id) if run_id else None
    pid = owner.pid if owner is not None and owner.host == socket.gethostname() else None
    return _gauges(store.home.as_posix()).sample(pid)


def draw_gauges(store: RunStore, run_id: str) -> None:
    """Draw the gauges as one line of small words, each with a bar."""
    cells = "".join(_cell(number, *row) for number, row in enumerate(rows(sample(store, run_id))))
    st.html(f'<div class="gauges" role="group" aria-label="{html.escape(tr("Gauges of this machine"), quote=True)}">{cells}</div>')


def gauge_values(store: RunStore, run_id: str) -> dict[str, dict[str, Any]]:
    """What a live page changes in place in ``draw_gauges`` and ``gauge_history``: CSS class -> text, length of a bar in percent, or picture."""
    texts: dict[str, str] = {}
    bars: dict[str, float] = {}
    for number, (name, value, share, marked, _) in enumerate(rows(sample(store, run_id))):
        texts[f"gauge-{number}-text"] = _text(name, value, marked)
        if share is not None:
            bars[f"gauge-{number}-bar"] = percent_of(share)
    title, lines = _history(store)
    pictures = {f"gauge-line-{number}": line for number, line in enumerate(lines)}
    return {"texts": {**texts, **({"gauge-history": title} if lines else {})}, "bars": bars, "pictures": pictures}


def gauge_shape(store: RunStore, run_id: str) -> tuple[Any, ...]:
    """What of the gauges does not change in place: which there are, which are marked, and whether there is a history."""
    shown = tuple((name, marked) for name, _, _, marked, _ in rows(sample(store, run_id)))
    return *shown, len(_gauges(store.home.as_posix()).history) >= LEAST_HISTORY


def rows(gauges: Gauges) -> list[tuple[str, str, float | None, bool, str]]:
    """Name, value, filled share of the bar (None without a bar), whether it is marked, and explanation of each gauge that is known."""
    found: list[tuple[str, str, float | None, bool, str]] = []
    if gauges.cpu is not None:
        found.append(("CPU", f"{gauges.cpu:.0%}", gauges.cpu, False, tr("Busy share of all processor cores of this machine in the last seconds.")))
    share = gauges.memory_used / max(1, gauges.memory_total)
    used = tr("{used} of {total}", used=words.size(gauges.memory_used), total=words.size(gauges.memory_total))
    found.append((tr("Memory"), used, share, share > HIGH_MEMORY, tr("Memory in use on this machine, or in its container, by all programs.")))
    if gauges.process_memory is not None:
        about = tr("Memory of the process that trains the run. With training in the server it includes the pages and PyTorch.")
        found.append((tr("Run"), words.size(gauges.process_memory), None, False, about))
    for number, gpu in enumerate(gauges.gpus):
        name = "GPU" if len(gauges.gpus) == 1 else tr("GPU {number}", number=number)
        busy = f"{gpu.used:.0%} · " if gpu.used is not None else ""
        text = busy + tr("{used} of {total}", used=words.size(gpu.memory_used), total=words.size(gpu.memory_total))
        filled = gpu.memory_used / max(1, gpu.memory_total)
        found.append((name, text, filled, False, tr("{name}: busy share, and memory in use by all programs (the bar).", name=gpu.name)))
    if gauges.disk_free is not None:
        low = gauges.disk_free < LOW_DISK
        found.append((tr("Disk"), tr("{size} free", size=words.size(gauges.disk_free)), None, low, tr("Free space on the disk of the run store.")))
    return found


def _cell(number: int, name: str, value: str, share: float | None, marked: bool, about: str) -> str:
    bar = "" if share is None else f'<i><b class="gauge-{number}-bar" style="width:{percent_of(share):.0f}%"></b></i>'
    look = " class=marked" if marked else ("" if bar else " class=beside")  # without a bar: left out where the line is short
    text = html.escape(_text(name, value, marked))
    return f'<span title="{html.escape(about, quote=True)}"{look}><span class="gauge-{number}-text">{text}</span>{bar}</span>'


def _text(name: str, value: str, marked: bool) -> str:
    return f"{'⚠ ' if marked else ''}{name} {value}"


def percent_of(share: float) -> float:
    return round(100 * min(1.0, max(0.0, share)))


def gauge_history(store: RunStore, run_id: str) -> None:
    """Draw the gauges of the last minutes as small lines; nothing before there are two samples."""
    sample(store, run_id)
    title, lines = _history(store)
    if not lines:
        return
    cells = "".join(
        f'<div class="share gauge-line-{number}"><div style="width:5.5rem">{html.escape(line["name"])}</div>'
        f'<img src="{line["src"]}" alt="{html.escape(line["alt"], quote=True)}"><span>{html.escape(line["text"])}</span></div>'
        for number, line in enumerate(lines)
    )
    st.html(f'<div class="fact-name gauge-history">{html.escape(title)}</div>{cells}')


def _history(store: RunStore) -> tuple[str, list[dict[str, str]]]:
    """The title, and name, ``src``, ``alt`` and ``text`` of each line; no lines before there are two samples."""
    kept = list(_gauges(store.home.as_posix()).history)
    if len(kept) < LEAST_HISTORY:
        return "", []
    minutes = (kept[-1].time - kept[0].time) / 60
    lines = {
        "CPU": [np.nan if one.cpu is None else one.cpu for one in kept],
        tr("Memory"): [one.memory_used / max(1, one.memory_total) for one in kept],
        **({tr("GPU memory"): [_gpu_memory(one) for one in kept]} if kept[-1].gpus else {}),
    }
    return tr("This machine in the last {minutes:.0f} min, 0 to 100 %", minutes=minutes), [
        _history_line(name, values, minutes) for name, values in lines.items()
    ]


def _history_line(name: str, values: list[float], minutes: float) -> dict[str, str]:
    about = tr("{name} in the last {minutes:.1f} minutes", name=name, minutes=minutes)
    return {"name": name, "src": share_sparkline(np.asarray(values, float), LINE, 0.5), "alt": about, "text": f"{values[-1]:.0%}"}


def _gpu_memory(gauges: Gauges) -> float:
    return gauges.gpus[0].memory_used / max(1, gauges.gpus[0].memory_total) if gauges.gpus else np.nan
