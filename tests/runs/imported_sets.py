"""Small imported data sets for the tests of machines that share them."""

import numpy as np
from PIL import Image

from mtl_core.config import RunConfig
from mtl_core.data.imports import ImportSpec, import_dataset

TASK = "цвет дня"


def pictures(folder, seed=0):
    """A folder with 24 pictures of 8 x 8 pixels, and a table of their classes."""
    folder.mkdir()
    generator, rows = np.random.default_rng(seed), [f"file,{TASK}"]
    for number in range(24):
        values = generator.integers(0, 200, (8, 8, 3)).astype(np.uint8)
        values[..., number % 2] += 50
        Image.fromarray(values).save(folder / f"{number:02}.png")
        rows.append(f"{number:02}.png,{('red', 'green')[number % 2]}")
    (folder / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def import_as(machine, folder, name="days", **more):
    """Import such a folder on a machine."""
    table = {"format": "csv", "file": "table.csv", "image_column": "file", "columns": [{"column": TASK, "task": TASK, "kind": "classification"}]}
    spec = ImportSpec.from_dict({"images": {"size": [8, 8]}, "sources": [table]})
    return import_dataset(folder, spec, name, home=machine.home, **more)


def config_on(name, preprocessing=None, **settings):
    """A config that trains on an imported set."""
    data = {"name": "imported", "set": name, **({"preprocessing": preprocessing} if preprocessing else {})}
    plain = {"data": data, "tasks": {TASK: {}}, "backbone": {"name": "mlp", "hidden": [8]}, "epochs": 1, "batch_size": 8, "device": "cpu"}
    return RunConfig.from_dict(plain | settings)


def on(machine, monkeypatch, do):
    """Call a function in a process of this machine: with its folder as MTL_HOME."""
    with monkeypatch.context() as patch:
        patch.setenv("MTL_HOME", str(machine.home))
        return do()


def set_files(machine):
    """The descriptions of the sets on a machine: path -> content."""
    return _files(machine.home / "imports")


def arrays_of(machine):
    """The prepared data on a machine: path -> content."""
    return _files(machine.home / "data")


def _files(folder):
    there = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in there}
