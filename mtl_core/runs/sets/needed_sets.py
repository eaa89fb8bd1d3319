"""Which runs still need an imported data set, and its deletion, which is refused while some do."""

from __future__ import annotations

from collections.abc import Sequence

from mtl_core.data.imports import delete
from mtl_core.errors import NotPossibleError
from mtl_core.runs import study_cells
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.status import ACTIVE, RunStatus
from mtl_core.runs.store import RunStore

NAMED = 3  # runs and studies in a refusal


def waiting_runs(store: RunStore, name: str) -> list[Run]:
    """The runs that will read an imported set without anybody asking for it: those that are queued or held by a process, and interrupted ones that
    their study or the cluster resumes. The next one of the queue first, then by age."""
    status = schema.runs.c.status
    found = store.on_data(name, status.in_([*ACTIVE, RunStatus.QUEUED.value, RunStatus.INTERRUPTED.value]))
    found = [run for run in found if run.config.imported_set == name]  # another data set may have the same name
    resumed: set[str] = set()
    if any(run.status == RunStatus.INTERRUPTED for run in found):
        resumed = study_cells.to_resume(store) | _restarted(store)
    return sorted((run for run in found if not run.status.is_ended() or run.id in resumed), key=lambda run: (run.queue_position or 0, run.id))


def _restarted(store: RunStore) -> set[str]:
    """Interrupted runs that the cluster queues again."""
    from mtl_core.runs.cluster.cluster_queue import why_not
    from mtl_core.runs.cluster.cluster_start import cluster_of

    cluster = cluster_of(store)
    placed = {} if cluster is None else cluster.runs
    return {run.id for run in store.several(list(placed)) if why_not(store, run, placed[run.id].restarts) is None}


def delete_set(store: RunStore, name: str, studies: Sequence[str], even_if_needed: bool = False) -> None:
    """Delete an imported set that no run waits for; see ``mtl_core.data.imports.delete``.

    The check and the deletion are two steps. A run that is queued between them fails when it starts, and says that the set is missing.

    Args:
        studies: titles of the studies that will still make runs on it (``mtl_core.studies.weight_search.searches_on``).
        even_if_needed: delete it all the same. The runs that wait for it fail then, and say why.

    Raises:
        NotPossibleError: runs wait for it.
        DataError: there is no such set. StoreError: it cannot be removed.
    """
    if not even_if_needed:
        refuse_if_needed(store, name, studies)
    delete(name, store.home)


def refuse_if_needed(store: RunStore, name: str, studies: Sequence[str]) -> None:
    """Raise NotPossibleError, which names what waits for the set, if anything does. ``studies``: as for ``delete_set``."""
    runs = waiting_runs(store, name)
    named = [f"'{run.name}' ({run.id}, {run.status})" for run in runs[:NAMED]]
    if len(runs) > NAMED:
        named.append(f"{len(runs) - NAMED:,} more")
    listed = ", ".join(named)
    said = [f"1 run waits for it: {listed}" if len(runs) == 1 else f"{len(runs):,} runs wait for it: {listed}"] if runs else []
    said += [f"the study '{title}' will still make runs on it" for title in studies[:NAMED]]
    if needed := "; ".join(said):
        raise NotPossibleError(
            f"the data set '{name}' is not deleted: {needed}. Stop them first, or delete it all the same "
            f"('mtl data delete {name} --even-if-needed'); the runs fail then"
        )
