"""What an installation gets: its dependencies, the command, and the pages with their settings, wherever it is started."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import types
import urllib.request
from pathlib import Path

import pytest

from mtl_core import settings
from mtl_core.cli import dashboard
from mtl_core.errors import NotPossibleError
from mtl_core.exports import EXPORTS, writing

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
WAIT = 60  # seconds; a server that has not answered by then never will


@pytest.fixture
def metadata(monkeypatch):
    """What hatchling makes of the requirements files."""
    interface = types.ModuleType("hatchling.metadata.plugin.interface")
    interface.MetadataHookInterface = object
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hook, found = module.RequirementsHook(), {}
    hook.root = str(ROOT)
    hook.update(found)
    return found


def _lines(name):
    return [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if re.match(r"[A-Za-z]", line)]


def test_the_requirements_files_are_the_dependencies(metadata):
    parts = ("-export", "-weights", "-search", "-timm", "-cluster", "-objects", "", "-dev")
    export, weights, search, timm, cluster, objects, plain, dev = (_lines(f"requirements{part}.txt") for part in parts)
    assert len(metadata["dependencies"]) == len(plain)
    assert all(line.startswith(requirement) for requirement, line in zip(metadata["dependencies"], plain, strict=True))
    assert len(metadata["optional-dependencies"]["export"]) == len(export)
    assert len(metadata["optional-dependencies"]["offline-weights"]) == len(weights)
    assert len(metadata["optional-dependencies"]["search"]) == len(search)
    assert len(metadata["optional-dependencies"]["timm"]) == len(timm)
    assert len(metadata["optional-dependencies"]["cluster"]) == len(cluster)
    assert len(metadata["optional-dependencies"]["objects"]) == len(objects)
    assert len(metadata["optional-dependencies"]["dev"]) == len(export) + len(weights) + len(search) + len(timm) + len(dev)
    assert all(re.fullmatch(r"[A-Za-z0-9-]+[<>=0-9.,]*", requirement) for requirement in metadata["dependencies"])


def test_the_plain_way_is_the_full_one():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert text.splitlines()[-1] == "-r requirements-export.txt"


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-export.txt",
        "requirements-weights.txt",
        "requirements-search.txt",
        "requirements-timm.txt",
        "requirements-objects.txt",
        "requirements-dev.txt",
    ],
)
def test_every_requirement_has_its_reason(name):
    assert [line for line in _lines(name) if "# " not in line] == []


def test_the_command_is_the_command_line():
    assert PROJECT["project"]["scripts"] == {"mtl": "mtl_core.__main__:main"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The files of an installation, laid out as the wheel has them."""
    site = tmp_path_factory.mktemp("site")
    for source, target in {**{name: name for name in WHEEL["packages"]}, **WHEEL["force-include"]}.items():
        (site / target).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, site / target)  # with the compiled files: a copied file keeps its time, so they hold
        else:
            shutil.copy(ROOT / source, site / target)
    return site


def test_no_common_name_is_installed_at_the_top(installed):
    assert sorted(path.name for path in installed.iterdir()) == ["mtl_core", dashboard.INSTALLED]


@pytest.mark.parametrize("command", ["ui", "serve"])
def test_an_installation_serves_the_pages_from_any_folder(installed, tmp_path, command):
    """In a folder with files whose names an import could take for ours; the server's settings travel along."""
    for name in ("ui", "pages", "mtl_core"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported from the folder of the start')")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "import sys; from mtl_core.__main__ import main; sys.exit(main())"
    arguments = [sys.executable, "-P", "-c", start, command, "--server.port", str(port), "--server.headless", "true"]
    environment = {**os.environ, "PYTHONPATH": str(installed), "MTL_HOME": str(tmp_path / "home")}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        answer = _answer(f"http://127.0.0.1:{port}/", server)
        assert answer.headers["x-frame-options"] == "SAMEORIGIN", "app.py's own server answers"
    finally:
        server.send_signal(signal.SIGINT)
        code = server.wait(WAIT)
    said = (tmp_path / "log").read_text()
    assert code == 0, said
    assert f"http://127.0.0.1:{port}" in said, "server.address of .streamlit/config.toml holds"
    assert "Error" not in said


def _answer(url, server):
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        try:
            return urllib.request.urlopen(url, timeout=5)
        except OSError:
            assert server.poll() is None, "the server has ended"
            time.sleep(0.1)
    raise AssertionError("the server did not come up")


def test_every_page_of_an_installation_can_be_drawn(installed, tmp_path):
    code = """
import sys
from streamlit import config
from streamlit.testing.v1 import AppTest
config._main_script_path = sys.argv[1]
app = AppTest.from_file(sys.argv[1], default_timeout=60).run()
print([str(error.value) for error in (*app.exception, *app.error)], [button.label for button in app.button if button.label == "Train"])
print(config.get_option("theme.light.primaryColor"), config.get_option("server.maxUploadSize"))
"""
    environment = {**os.environ, "PYTHONPATH": str(installed), "MTL_HOME": str(tmp_path / "home")}
    app = str(installed / dashboard.INSTALLED / "app.py")
    done = subprocess.run([sys.executable, "-P", "-c", code, app], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[:2] == ["[] ['Train']", "#0B6BA8 100"], done.stderr


def test_a_checkout_is_its_own_place():
    assert dashboard.app_folder() == ROOT


def test_an_engine_without_pages_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(dashboard, "__file__", str(tmp_path / "mtl_core" / "cli" / "dashboard.py"))
    with pytest.raises(NotPossibleError, match="pages are not installed"):
        dashboard.app_folder()


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("onnx", "onnx"),
        ("onnx", "onnxscript"),
        ("onnx", "onnxruntime"),
        ("tensorboard", "tensorboard"),
        ("charts", "matplotlib"),
        ("report", "matplotlib"),
    ],
)
def test_a_package_that_only_exports_need_may_be_missing(trained, tmp_path, monkeypatch, name, package):
    """The export says what to install; ``zip`` makes the others and says the same of this one."""
    from mtl_core.exports.export_source import ExportSource

    for module in [module for module in sys.modules if module.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, package, None)
    source = ExportSource(trained.store, trained.run)
    with pytest.raises(NotPossibleError, match=rf"'{name}' needs the Python package '{package}'.*pip install 'multitask-vision-dashboard\[export\]'"):
        writing.export(source, [name], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.setattr(writing, "EXPORTS", {key: EXPORTS[key] for key in (name, "yaml")})
    written, skipped = writing.export(source, ["zip"], tmp_path / "all")
    assert (len(written), list(skipped)) == (1, [name])


def test_the_container_runs_without_rights_with_settings_that_there_are():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert lines.index("USER vision") < next(number for number, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    named = set(re.findall(r"MTL_[A-Z_]+", "\n".join(lines)))
    assert "MTL_HOME" in named
    assert named <= {variable.name for variable in settings.VARIABLES}
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert not {"README.md", *WHEEL["packages"], *WHEEL["force-include"], *copied} & set(ignored)
