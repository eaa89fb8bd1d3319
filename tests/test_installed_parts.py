"""A part of another package, registered by an entry point, works in a config like one of ours: for every registry there is."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtl_core.config import RunConfig
from mtl_core.data.augmentation import AUGMENTATIONS
from mtl_core.data.augmentation.pipeline import Pipeline
from mtl_core.errors import ConfigError
from mtl_core.training.check import problems
from tests.installed_parts import ENTRIES

ROOT = Path(__file__).parents[1]
PARTS, IN_USE = ROOT / "tests" / "installed_parts.py", ROOT / "tests" / "installed_parts_in_use.py"


def groups() -> list[str]:
    """The entry-point group of every ``Registry(...)`` in the source."""
    found = []
    for path in sorted(ROOT.glob("mtl_core/**/*.py")):
        text = path.read_text(encoding="utf-8")
        if "Registry(" not in text:  # to parse it takes longer
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Registry":
                group = node.args[1]
                found.append(group.value if isinstance(group, ast.Constant) else AUGMENTATIONS.group)
    return found


@pytest.fixture(scope="module")
def used(tmp_path_factory) -> dict[str, str]:
    """What came of using each part in a process that finds the package on its path."""
    site = tmp_path_factory.mktemp("site")
    for file in (PARTS, IN_USE):
        (site / file.name).write_bytes(file.read_bytes())
    (site / "broken_parts.py").write_text("import a_package_that_is_not_there\n")
    about = site / "installed_parts-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-parts\nVersion: 1.0\n")
    lines = []
    for group, parts in ENTRIES.items():
        lines += [f"[{group}]", *(f"{name} = installed_parts:{place}" for name, place in parts.items()), "broken = broken_parts:Nothing", ""]
    (about / "entry_points.txt").write_text("\n".join(lines))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(site), str(ROOT)))}
    command = [sys.executable, str(site / IN_USE.name)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("group", groups())
def test_a_part_of_another_package_works_in_a_config(used, group):
    assert group in used, "a registry without a case: add one to tests/installed_parts.py and its use to installed_parts_in_use.py"
    assert used[group] == ""


def test_a_key_of_a_package_that_is_gone_is_read_and_refused_in_words():
    values = {
        "data": {"name": "digits"},
        "tasks": {"digit": {}},
        "backbone": {"name": "mlp"},
        "device": "cpu",
        "augmentation": {"negative": 0.5, "shift": 1},
    }
    with pytest.raises(ConfigError, match=r"augmentation.negative: unknown key 'negative'"):
        RunConfig.from_dict(values)
    config = RunConfig.from_stored(values)
    assert config.to_dict()["augmentation"]["negative"] == 0.5
    [problem] = problems(config)
    assert (problem.field, "install the package" in problem.message) == ("augmentation.negative", True)
    with pytest.raises(ConfigError, match="install the package"):
        Pipeline(config.augmentation, [0.5])
