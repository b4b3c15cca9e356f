"""What goes along with a training: weights are kept, the rate falls, and it ends."""

import keras
import pytest

from vocaltrack.callbacks import Plateau, epochs_without_gain


@pytest.mark.parametrize(
    ("losses", "waited", "rate"),
    [([1.0, 0.5, 0.6, 0.7], 2, 0.05), ([1.0, 0.5, 0.6, 0.7, 0.8], 0, 0.1)],
)
def test_the_plateau_halves_the_rate_across_a_resume(losses, waited, rate):
    """In the second case it had halved it already."""
    plateau = Plateau(losses)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    plateau.set_model(model)
    plateau.on_train_begin()
    assert (plateau.best, plateau.wait) == (0.5, waited)
    plateau.on_epoch_end(len(losses), {"val_loss": 0.8})
    assert float(model.optimizer.learning_rate) == pytest.approx(rate)
    assert epochs_without_gain(losses) == len(losses) - 2 and epochs_without_gain([]) == 0
