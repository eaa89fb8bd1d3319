"""A server that nobody visits: started with serve.py it works on the queue all the same."""

import signal

from dashboards import wait_for

# The launcher with an engine that needs no torch; the tests' own part is what stands before the last line.
SERVE = """
import importlib.util, runpy, sys, types
spec = importlib.util.spec_from_file_location("fake_trainer", sys.argv.pop(1))
fake = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fake)
sys.modules.update(fake.modules(), **{name: types.ModuleType(name) for name in ("torch", "torch._dynamo", "torchvision")})
runpy.run_path("serve.py", run_name="__main__")
"""


def test_a_queued_run_is_trained_without_a_visitor_and_saved_at_the_end(store, config, python, engine):
    first, second = store.create(config("fine")), store.create(config("waits"))
    server = python(SERVE, engine.__file__, "--server.headless", "true", "--server.port", "0")
    wait_for(lambda: store.get(first.id).status == "finished" and store.get(second.id).step)
    for line in server.stdout:  # signals are listened to once it says where it is
        if "URL" in line:
            break
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=60)
    assert server.returncode == 0, err
    assert "Traceback" not in out + err
    assert store.get(second.id).status == "interrupted"
    assert [line.text for line in store.log(second.id)][-2] == "epoch 0: checkpoint saved"


def test_a_store_that_cannot_be_opened_is_said(home, python, engine):
    home.write_text("a file")
    server = python(SERVE, engine.__file__)
    _, err = server.communicate(timeout=60)
    assert server.returncode == 2
    assert err.startswith("error: the run store needs a folder")
