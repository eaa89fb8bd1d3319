"""What a queued run finds of its imported set: whether it is here, has to be fetched, or is another one by now. In words."""

from __future__ import annotations

from mtl_core.config import RunConfig
from mtl_core.data.imports.import_library import get_imported, shared_library
from mtl_core.data.imports.imported_source import cache_name
from mtl_core.data.imports.pinned_set import check_pin
from mtl_core.errors import DataError, StoreError
from mtl_core.runs.cluster.cluster_start import is_on_cluster
from mtl_core.runs.objects.set_transfer import megabytes
from mtl_core.runs.run_record import Run
from mtl_core.runs.store import RunStore


def before_training(store: RunStore, run: Run) -> str:
    """What has to happen to a queued run's imported set before it trains on this machine, or what is wrong with it. Empty if all is well.

    It reads small files, and asks the database where there is an object store.
    """
    name = run.config.imported_set
    if not name or is_on_cluster():  # there another machine trains
        return ""
    try:
        check_pin(store.place(run.id), name, store.home)
        found = get_imported(name, store.home)
        if (store.cache / cache_name(found.digest) / "meta.json").is_file():
            return ""
        shared = shared_library(store.home)
        size = shared.size(name) if shared else 0
    except DataError as error:
        return f"it will fail: {error}"
    except StoreError as error:
        return str(error)
    if not size:
        return f"the images of its data set '{name}' are prepared again first"
    return f"its data set '{name}' is fetched from the object store first: {megabytes(size)} MB"


def missing_here(store: RunStore, config: RunConfig) -> str:
    """Why this machine cannot have the imported set of a run; empty if it has it, and where an object store may have it."""
    name = config.imported_set
    if not name or shared_library(store.home) is not None or (store.home / "imports" / name / "set.json").is_file():
        return ""
    return (
        f"there is no imported data set '{name}' in '{store.home}'. Let MTL_HOME be the same folder on all machines, or MTL_ARTIFACTS_URL the "
        "address of an object store, which takes sets to all of them. If the set was deleted, take the run out of the queue"
    )


def set_problems(store: RunStore) -> list[str]:
    """What is wrong with the sets that this machine sends or fetches, each once. That the object store is away is said by ``artifacts.problem``."""
    shared = shared_library(store.home)
    found = dict.fromkeys(shared.problems.values()) if shared else {}
    return [problem for problem in found if problem != store.artifacts.problem]
