"""Data in a folder of this machine. The object store does not hold them, so a machine without the folder refuses the run and says what to do."""

from __future__ import annotations

from mtl_core.config import RunConfig
from mtl_core.data import DATA_SOURCES, open_unprocessed
from mtl_core.errors import DataError


def refuse_missing_folders(config: RunConfig) -> None:
    """Raise DataError if the data are a folder that is not on this machine."""
    options = DATA_SOURCES.load(config.data.name, "data.name").Options.model_fields
    paths = [name for name, field in options.items() if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("path")]
    for option, problem in open_unprocessed(config.data).problems():
        if option in paths:
            raise DataError(
                f"{problem} A folder is not in the object store: put it in the same place on every machine that takes runs, or import it "
                "('mtl data import FOLDER --name NAME') and train on the imported set, which is sent to all machines."
            )
