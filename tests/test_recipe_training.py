"""What train_jax.py trains by: GRUs in one loop, and a rate that falls in the time given."""

import keras
import numpy as np
import pytest

from vocaltrack.compiling import WARMUP_STEPS
from vocaltrack.config import preset
from vocaltrack.models import build_clustering, build_unet

MEAN, STD = [-30.0] * 128, [15.0] * 128


@pytest.fixture
def in_one_loop(shipped_recipe):
    return shipped_recipe("one_loop").in_one_loop


@pytest.fixture
def timetable(shipped_recipe):
    return shipped_recipe("timetable")


def test_grus_in_one_loop_do_what_keras_s_do(in_one_loop):
    """The hdc's alone, and those in a uhnet, of which the hdc stays frozen."""
    keras.utils.set_random_seed(0)
    clustering, network = preset("compact", dropout=0.1)
    hdc = build_clustering(clustering, MEAN, STD, mask_head=True)
    rng = np.random.default_rng(0)
    hdc.set_weights([w + rng.normal(0, 0.05, w.shape) for w in hdc.get_weights()])
    uhnet = build_unet(network, MEAN, STD, hdc)
    chunks = rng.normal(MEAN, STD, (3, 128, 128)).astype(np.float32)
    for model, inside in ((hdc, hdc), (uhnet, uhnet.get_layer("hdc"))):
        twin = in_one_loop(model)
        of_twin = twin if inside is hdc else twin.get_layer("hdc")
        kinds = [type(layer).__name__ for layer in of_twin.layers]
        assert kinds.count("OneLoop") == 4 and "Bidirectional" not in kinds
        assert len(twin.trainable_variables) == len(model.trainable_variables)
        expected, found = model(chunks), twin(chunks)
        for one, other in zip(keras.tree.flatten(expected), keras.tree.flatten(found), strict=True):
            assert np.std(one) > 0.01
            np.testing.assert_allclose(other, one, atol=1e-5)


def play(timetable, seconds, seconds_of_step, steps):
    """The table after a training whose steps take what a function of the time says, the
    steps' rates, and when it was over."""
    now = [0.0]
    table = timetable.Timetable(seconds, steps, clock=lambda: now[0])
    rates, going = [], True
    while going:
        for _ in range(steps):
            rates.append(table.rate(1.0, len(rates)))
            now[0] += seconds_of_step(now[0])
            table.step()
        going = table.epoch()
    return table, rates, now[0]


@pytest.mark.parametrize("of_step", [lambda now: 0.1, lambda now: 0.2 if now < 300 else 0.05])
def test_the_rate_falls_to_zero_when_the_time_is_over(timetable, of_step):
    """Also where another training on the same GPU ends and the steps get faster."""
    table, rates, end = play(timetable, 600, of_step, 100)
    assert abs(end - 600) < 10
    assert table.passed == pytest.approx(1.0)
    assert rates[0] == pytest.approx(1 / WARMUP_STEPS, rel=0.01)
    assert max(rates) > 0.98 and rates.index(max(rates)) == WARMUP_STEPS - 1
    assert np.all(np.diff(rates[WARMUP_STEPS:]) < 0) and rates[-1] < 1e-4


def test_what_the_first_step_takes_to_compile_is_not_taken_for_its_speed(timetable):
    table, rates, end = play(timetable, 600, lambda now: 0.1 if now else 60.0, 100)
    assert abs(end - 600) < 10
    assert table.passed == pytest.approx(1.0) and len(rates) == 5400


def test_a_time_too_short_for_two_epochs_takes_one(timetable):
    _, rates, _ = play(timetable, 10, lambda now: 0.1, 100)
    assert len(rates) == 100
