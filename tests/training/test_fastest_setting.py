"""Which precision and layout is fastest, which of them are not timed to the end, and on how many images."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from threadpoolctl import threadpool_limits

from mtl_core.config import RunConfig
from mtl_core.training import execution
from mtl_core.training.build import build
from mtl_core.training.execution import FEWEST_IMAGES, Execution
from mtl_core.training.parts import resolve

PLAIN, LAST, HALF, HALF_LAST = (Execution("cpu", precision, layout) for precision in ("fp32", "bf16") for layout in ("contiguous", "channels_last"))
ALL = [PLAIN, LAST, HALF, HALF_LAST]
GPU = [Execution("cuda", "fp32", "contiguous"), Execution("cuda", "bf16", "contiguous")]


@pytest.fixture
def fastest(monkeypatch):
    """``fastest(work)``: the chosen candidate, and the candidates in the order of their steps.

    ``work``: candidate -> seconds of a step, or its steps' one after the other.
    """

    def choose(work):
        steps, left = [], {candidate: iter(times) for candidate, times in work.items() if isinstance(times, list)}

        def timed(candidate, model, step):
            steps.append(candidate)
            return next(left[candidate]) if candidate in left else work[candidate]

        monkeypatch.setattr(execution, "_time", timed)
        return execution._fastest(list(work), torch.nn.Conv2d(1, 1, 1), lambda count: lambda model, how: None, FEWEST_IMAGES), steps

    return choose


@pytest.fixture
def images_timed(monkeypatch):
    """``images_timed(candidates, seconds, images)``: how many images each step had, if an image takes so many seconds."""

    def choose(candidates, seconds, images):
        counts = []

        def timed(candidate, model, step):
            step(model, candidate)
            return counts[-1] * seconds

        monkeypatch.setattr(execution, "_time", timed)
        execution._fastest(candidates, torch.nn.Conv2d(1, 1, 1), lambda count: lambda model, how: counts.append(count), images)
        return counts

    return choose


def times(*seconds):
    return dict(zip(ALL, seconds, strict=True))


def test_settings_that_are_close_are_timed_to_the_end(fastest):
    chosen, steps = fastest(times(1.0, 0.8, 0.9, 0.7))
    assert chosen == HALF_LAST
    assert steps == [PLAIN, PLAIN, LAST, LAST, HALF, HALF, HALF_LAST, HALF_LAST, *ALL, *ALL]


def test_a_slow_precision_is_tried_in_one_layout_only(fastest):
    chosen, steps = fastest(times(1.0, 0.8, 1.6, 0.1))
    assert chosen == LAST
    assert steps == [PLAIN, PLAIN, LAST, LAST, HALF, HALF, PLAIN, LAST, PLAIN, LAST]


def test_a_slow_layout_says_nothing_of_a_precision_in_the_other(fastest):
    chosen, steps = fastest(times(1.6, 0.8, 1.3, 0.6))  # bf16 is behind fp32 in the better layout, and ahead of it in its own
    assert chosen == HALF_LAST
    assert steps == [PLAIN, PLAIN, LAST, LAST, HALF, HALF, HALF_LAST, HALF_LAST, LAST, HALF_LAST, LAST, HALF_LAST]


def test_what_is_far_behind_is_not_timed_again_and_not_chosen(fastest):
    chosen, steps = fastest({PLAIN: 1.0, LAST: 2.0})
    assert (chosen, steps) == (PLAIN, [PLAIN, PLAIN, LAST, LAST])


def test_short_steps_are_timed_to_the_end(fastest):
    """They cost little, and the differences of single ones are noise."""
    chosen, steps = fastest({PLAIN: 0.01, LAST: 0.04})
    assert (chosen, len(steps)) == (PLAIN, 8)


def test_the_best_of_three_after_a_first_one_decides(fastest):
    assert fastest({PLAIN: [3.0, 1.0, 1.0, 1.0], LAST: [0.1, 1.4, 1.4, 0.94]})[0] == LAST
    assert fastest({PLAIN: [3.0, 1.0, 1.0, 1.0], LAST: [0.1, 1.4, 1.4, 0.95]})[0] == PLAIN  # noise must not decide


def test_a_first_step_that_takes_far_too_long_is_the_only_one(fastest):
    chosen, steps = fastest({PLAIN: 1.0, LAST: 4.1})
    assert (chosen, steps) == (PLAIN, [PLAIN, PLAIN, LAST])


def test_on_a_cpu_a_step_has_as_few_images_as_take_a_moment(images_timed):
    """One step of 8 images says how many the others have."""
    assert images_timed([PLAIN, LAST], 0.005, 32) == [8] * 9  # 8 images take 40 ms already
    assert images_timed([PLAIN, LAST], 0.5, 32) == [8] * 9  # and 4 s here; fewer would not fill a batch normalisation
    assert images_timed([PLAIN, LAST], 0.002, 32) == [8, *[20] * 8]
    assert images_timed([PLAIN, LAST], 0.00001, 32) == [8, *[32] * 8]


def test_steps_that_a_coarse_clock_measures_as_nothing_change_nothing(fastest, images_timed):
    """As on Windows, where a thread's processor time comes in steps of 16 ms."""
    assert images_timed([PLAIN, LAST], 0.0, 32) == [8, *[32] * 8]
    assert fastest(times(0.0, 0.0, 0.0, 0.0))[0] == PLAIN


def test_a_small_batch_and_a_batch_on_a_gpu_are_timed_whole(images_timed, monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    assert images_timed([PLAIN, LAST], 0.5, 6) == [6] * 8
    assert images_timed(GPU, 0.5, 32) == [32] * 8


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_timed_step_has_a_backward_pass_where_few_images_have_a_target(accumulate, shared_cache, monkeypatch):
    """The first batch has no target here. A forward pass alone would say nothing of a step."""
    seen, backward = [], []

    def choose(config, device, model, step_on, images, memory):
        next(model.parameters()).register_hook(lambda gradient: backward.append(len(seen)))
        with model.register_forward_pre_hook(lambda module, given: seen.append(len(given[0]))):
            for count in (1, 3, images):
                step_on(count)(model, PLAIN)
        return PLAIN

    monkeypatch.setattr("mtl_core.training.build.choose", choose)
    data = {"name": "digit_scenes", "train_size": 64, "val_size": 6, "test_size": 4, "max_digits": 2, "image_size": 32}
    tasks = {"present": {"label_fraction": 0.02}, "count": {"label_fraction": 0.02}}
    changes = {"batch_size": 8, "accumulate": accumulate, "device": "cpu", "layout": "contiguous", "probe_samples": 1, "seed": 4}
    setup = build(resolve(RunConfig.from_dict({"data": data, "tasks": tasks, "backbone": {"name": "mlp", "hidden": [16]}, **changes})), shared_cache)
    first = next(iter(setup.run.train_batches.epoch(0)))
    assert [bool(flags.any()) for flags in first.labelled.values()] == [False] * len(first.labelled)
    assert (seen, backward) == ([1, 3, 8 // accumulate], [1, 2, 3])


def test_other_programs_count_for_nothing_in_a_step_on_a_cpu(monkeypatch):
    """The clock goes on while another program has the core; this thread's processor time does not."""
    clock, work = iter((0.0, 9.0)), iter((0.0, 1.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(time, "thread_time", lambda: next(work))
    assert execution._time(PLAIN, torch.nn.Conv2d(1, 1, 1), lambda model, how: None) == 1.0
    monkeypatch.setattr(execution, "wait_for_device", lambda device: None)
    assert execution._time(GPU[0], torch.nn.Conv2d(1, 1, 1), lambda model, how: None) == 9.0


@pytest.mark.parametrize(("device", "threads"), [("cpu", 1), ("mps", 3)])
def test_one_thread_is_timed_and_other_threads_keep_their_number(device, threads, tmp_path, monkeypatch):
    """On a CPU. The number is put back, or the run's sums would be split otherwise, and those of a run beside it."""
    config = RunConfig.from_dict({"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "small_cnn"}, "layout": "contiguous"})
    seen, elsewhere = set(), set()
    monkeypatch.setattr(execution, "wait_for_device", lambda device: None)

    def step(model, how):
        seen.add(torch.get_num_threads())
        if not elsewhere:
            other = threading.Thread(target=lambda: elsewhere.add(torch.get_num_threads()))
            other.start()
            other.join()

    usual = torch.get_num_threads()
    with threadpool_limits(3, user_api="openmp"):
        execution.choose(config, device, torch.nn.Conv2d(1, 1, 1), lambda count: step, 32, tmp_path / "execution.json")
        assert torch.get_num_threads() == 3
    assert (seen, elsewhere) == ({threads}, {usual})
