"""The network that a run's sharing scheme has searched for and found, as the config of a run of its own. Read without torch."""

from __future__ import annotations

from typing import Any

from mtl_core.config import RunConfig
from mtl_core.errors import NotPossibleError
from mtl_core.runs.store import RunStore
from mtl_core.training.checkpoint_files import DamagedCheckpointError, find_checkpoint, read_meta


def chosen_sharing(store: RunStore, run_id: str, checkpoint: str = "last") -> dict[str, Any] | None:
    """``sharing`` of the found network at a checkpoint (``best``, ``last`` or an epoch's number); None where nothing is searched for or found.

    Raises:
        ConfigError, NotPossibleError: there is no such checkpoint.
    """
    folder = store.folder(run_id)
    try:
        found = read_meta(folder, find_checkpoint(folder, checkpoint).name).get("chosen_sharing")
    except DamagedCheckpointError as error:
        raise NotPossibleError(str(error)) from None
    return found if isinstance(found, dict) else None


def chosen_config(store: RunStore, run_id: str, checkpoint: str = "last") -> RunConfig:
    """The run's config with the found network in place of the search. It begins with the config's starting values, not with the run's weights.

    Raises:
        ConfigError: there is no such checkpoint, or what it holds is no sharing scheme.
        NotPossibleError: the run's scheme searches for nothing, or has not found anything by then.
    """
    run = store.get(run_id)
    found = chosen_sharing(store, run.id, checkpoint)
    if found is None:
        message = f"the sharing scheme '{run.config.sharing.name}' of run {run.id} has chosen no network at its checkpoint '{checkpoint}'"
        raise NotPossibleError(f"{message}. Schemes that search choose one after their warm-up; 'mtl parts sharing' says what each does")
    return RunConfig.from_dict({**run.config.to_dict(), "sharing": found, "name": ""})
