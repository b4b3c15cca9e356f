"""What goes along with a training: weights are kept, the rate falls, and it ends."""

import contextlib

import keras
import numpy as np
import pytest

from vocaltrack import callbacks
from vocaltrack.callbacks import Plateau, RunKeeper, Stopping, epochs_without_gain
from vocaltrack.errors import UserError


def network():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def begun(callback, model):
    """The callback as it is when a training begins."""
    callback.set_model(model)
    callback.on_train_begin()
    return callback


def test_the_best_weights_give_way_to_better_ones_alone(tmp_path):
    """Those of before a resume, too."""
    model, kept = network(), []
    for losses in ((1.0, 0.5, 0.7), (0.6, 0.4)):
        keeper = begun(RunKeeper(tmp_path, model), model)
        for epoch, loss in enumerate(losses, start=len(kept)):
            model.set_weights([np.full(w.shape, epoch) for w in model.get_weights()])
            keeper.on_epoch_end(epoch, {"loss": 1.0, "val_loss": loss})
            best = keras.models.load_model(tmp_path / "best.keras")
            kept.append(best.get_weights()[0].item())
    assert kept == [0, 1, 1, 1, 4]


@pytest.mark.parametrize("files", [0, 1, 2])
def test_an_epoch_that_was_killed_before_all_its_files_were_there_is_repeated(
    tmp_path, monkeypatch, files
):
    """Else its weights might be the best, and lost."""
    model = network()
    keeper = begun(RunKeeper(tmp_path, model), model)
    model.optimizer.iterations.assign(2)
    keeper.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})
    written = []

    def until_killed(write):
        def writing(*arguments):
            if len(written) == files:
                raise KeyboardInterrupt
            written.append(write(*arguments))

        return writing

    for name in ("write_log", "replace_weights"):
        monkeypatch.setattr(callbacks, name, until_killed(getattr(callbacks, name)))
    model.optimizer.iterations.assign(4)
    with pytest.raises(KeyboardInterrupt):
        keeper.on_epoch_end(1, {"loss": 1.0, "val_loss": 0.5})
    again = RunKeeper(tmp_path, model)
    assert again.restore(model, steps_per_epoch=2) == 1
    assert again.losses() == [1.0]


def test_dropout_goes_on_after_a_resume_as_if_there_had_been_none(tmp_path):
    """That of a nested network, too; the seeds are not kept with the weights."""

    def dropping():
        keras.utils.set_random_seed(0)
        inner = keras.Sequential([keras.Input((9,)), keras.layers.Dropout(0.5)])
        model = keras.Sequential([inner, keras.layers.Dense(9), keras.layers.Dropout(0.3)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        return model

    def train(model, steps):
        for _ in range(steps):
            model.train_on_batch(np.ones((4, 9)), np.ones((4, 9)))

    unbroken, killed, resumed = dropping(), dropping(), dropping()
    train(unbroken, 6)
    train(killed, 4)
    begun(RunKeeper(tmp_path, killed), killed).on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})
    assert RunKeeper(tmp_path, resumed).restore(resumed, steps_per_epoch=4) == 1
    train(resumed, 2)
    for ours, expected in zip(resumed.get_weights(), unbroken.get_weights()):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize(("rows", "is_whole"), [(1, True), (2, False)])
def test_a_log_that_is_more_than_an_epoch_ahead_lacks_its_state(tmp_path, rows, is_whole):
    (tmp_path / "log.csv").write_text("epoch,val_loss\n" + "0,1.0\n" * rows)
    keeper = RunKeeper(tmp_path, network())
    told = contextlib.nullcontext() if is_whole else pytest.raises(UserError, match="lacks its new")
    with told:
        assert keeper.restore(keeper.saved, steps_per_epoch=2) == 0


@pytest.mark.filterwarnings("ignore")  # Keras would go on with another warning alone
def test_a_state_without_its_optimizers_is_not_gone_on_from(tmp_path):
    other = network()
    other.compile(keras.optimizers.Adam(), "mse")
    other.optimizer.build(other.trainable_variables)
    other.save_weights(tmp_path / "newest.weights.h5")
    model = network()
    with pytest.raises(UserError, match="newest.weights.h5 cannot be loaded .*; start a new run"):
        RunKeeper(tmp_path, model).restore(model, steps_per_epoch=2)


@pytest.mark.parametrize(("loss", "stops"), [(0.6, True), (0.4, False)])
def test_patience_counts_the_epochs_before_a_resume(loss, stops):
    model = network()
    stopping = begun(Stopping(3, [1.0, 0.5, 0.6, 0.7]), model)
    stopping.on_epoch_end(4, {"val_loss": loss})
    assert model.stop_training == stops


@pytest.mark.parametrize(
    ("losses", "waited", "rate"),
    [([1.0, 0.5, 0.6, 0.7], 2, 0.05), ([1.0, 0.5, 0.6, 0.7, 0.8], 0, 0.1)],
)
def test_the_plateau_halves_the_rate_across_a_resume(losses, waited, rate):
    """In the second case it had halved it already."""
    model = network()
    plateau = begun(Plateau(losses), model)
    assert (plateau.best, plateau.wait) == (0.5, waited)
    plateau.on_epoch_end(len(losses), {"val_loss": 0.8})
    assert float(model.optimizer.learning_rate) == pytest.approx(rate)
    assert epochs_without_gain(losses) == len(losses) - 2 and epochs_without_gain([]) == 0


def test_the_least_gain_keeps_the_rate():
    model = network()
    plateau = begun(Plateau([1.0, 0.5]), model)
    for epoch, loss in enumerate((0.49999, 0.49998, 0.49997), start=2):
        plateau.on_epoch_end(epoch, {"val_loss": loss})
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
