"""Export: choose, make, download; copy the run as YAML, command or script."""

import threading

from mtl_core.exports.export_jobs import ready


def codes(app):
    return "\n".join(str(code.value) for code in app.code)


def test_an_export_is_made_and_offered(open_page, finished, store, texts):
    app = open_page("run", run=finished.id)
    app.button(key=f"export.{finished.id}").click().run()
    app.selectbox(key=f"export.format.{finished.id}").set_value("csv").run()
    assert "One row per recorded value" in texts(app)
    app.button(key=f"export.make.{finished.id}").click().run()
    for thread in threading.enumerate():
        if thread.name == f"export-{finished.id}-csv":
            thread.join(30)
    app.run()
    assert not app.exception
    assert [made.name for made in ready(store, finished.id)] == ["csv"]
    assert any(element.proto.label == "Metrics, CSV" for element in app.get("download_button"))


def test_a_failure_is_a_sentence(open_page, finished, texts):
    app = open_page("run", run=finished.id)
    app.button(key=f"export.{finished.id}").click().run()
    app.selectbox(key=f"export.format.{finished.id}").set_value("onnx").run()
    app.button(key=f"export.make.{finished.id}").click().run()
    for thread in threading.enumerate():
        if thread.name == f"export-{finished.id}-onnx":
            thread.join(60)
    app.run()
    assert "has no checkpoint" in texts(app)


def test_copy_as(open_page, finished):
    app = open_page("run", tabs=["Settings"], run=finished.id)
    assert finished.config.to_yaml().strip() in codes(app)
    copy = f"copy_as.{finished.id}"
    app.button_group(key=copy).set_value("Command").run()
    assert "python -m mtl_core train" in codes(app)
    app.button_group(key=copy).set_value("Python script").run()
    assert "from mtl_core.training.trainer import train" in codes(app)


def test_a_fork_is_copied_as_a_fork(open_page, store, finished, keep):
    from mtl_core.runs.resume_and_fork import fork, fork_config

    keep(store.get(finished.id), 1, 2, best=1)
    run = fork(store, finished.id, 1, fork_config(finished, 1, ["optimizer.lr=0.5"]))
    app = open_page("run", tabs=["Settings"], run=run.id)
    app.button_group(key=f"copy_as.{run.id}").set_value("Command").run()
    assert f"python -m mtl_core fork {finished.id} --epoch 1" in codes(app)
    assert "--set optimizer.lr=0.5" in codes(app)
