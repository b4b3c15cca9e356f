"""Callbacks that let a run be killed at any moment and go on."""

import math
import zipfile

import keras

from vocaltrack.errors import UserError, one_line
from vocaltrack.run_files import check_losses, read_log, replace_weights, write_log
from vocaltrack.runs import DAMAGED, NEWEST, whole_weights


class RunKeeper(keras.callbacks.Callback):
    """Keeps the run's log, its best weights and its newest state.

    Each file is replaced as a whole, in the order log.csv, best.keras,
    newest.weights.h5; a kill in between repeats the epoch. Stops with an
    error, and keeps nothing of the epoch, when the loss is not a number.

    Args:
        run: folder of the run.
        saved: the network to save as best.keras: the trained one itself, or
            one of the same weights that computes in float32.
    """

    def __init__(self, run, saved):
        super().__init__()
        self.run, self.saved = run, saved
        self.rows = read_log(run)

    def restore(self, model, steps_per_epoch):
        """Bring back the newest state.

        Args:
            model: compiled `keras.Model`; gets weights and optimizer state.
            steps_per_epoch: of the run.

        Returns:
            the number of epochs that are done.

        Raises:
            UserError: the state cannot be loaded, or it, the log or the best weights are lost.
        """
        epochs_done = 0
        path = self.run / NEWEST
        if path.exists():
            try:
                with whole_weights():
                    model.load_weights(path)
            except DAMAGED as error:
                raise UserError(
                    f"{path} cannot be loaded ({one_line(error)}); start a new run, which takes "
                    f"the best weights of this one by --initial {self.run}"
                ) from error
            epochs_done = int(model.optimizer.iterations) // steps_per_epoch
            _go_on_drawing(model)
        for lost, is_there in (
            ("epochs in log.csv", len(self.rows) >= epochs_done),
            # A kill between the two leaves one row more.
            ("its newest.weights.h5", len(self.rows) <= epochs_done + 1),
            ("a whole best.keras", not epochs_done or zipfile.is_zipfile(self.run / "best.keras")),
        ):
            if not is_there:
                raise UserError(f"{self.run} lacks {lost}; bring it back or start a new run")
        self.rows = self.rows[:epochs_done]
        return epochs_done

    def losses(self):
        """The validation losses of the epochs that are done."""
        return [float(row["val_loss"]) for row in self.rows]

    def on_epoch_end(self, epoch, logs=None):
        check_losses(epoch, logs)
        # The plateau's callback has noted the epoch's rate before it lowered it; the
        # cosine's is the one that the epoch ended with.
        rate = float(logs.get("learning_rate", self.model.optimizer.learning_rate))
        row = {"epoch": epoch, **logs, "learning_rate": rate}
        lowest = min(self.losses(), default=math.inf)
        self.rows.append(row)
        write_log(self.run, self.rows)
        if logs["val_loss"] < lowest:
            if self.saved is not self.model:
                self.saved.set_weights(self.model.get_weights())
            replace_weights(self.run, "best.keras", self.saved.save, self.saved.weights)
        state = (*self.model.weights, *self.model.optimizer.variables)
        replace_weights(self.run, NEWEST, self.model.save_weights, state)


class Plateau(keras.callbacks.ReduceLROnPlateau):
    """Halves the learning rate after three epochs without a better
    validation loss, those before a resume included.

    Args:
        losses: validation losses of the epochs that are done.
    """

    def __init__(self, losses):
        super().__init__(factor=0.5, patience=3, min_delta=0.0)
        self.losses = losses

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self.losses:
            self.best = min(self.losses)
            self.wait = epochs_without_gain(self.losses) % self.patience


class Stopping(keras.callbacks.EarlyStopping):
    """Stops after `patience` epochs without a better validation loss, those
    before a resume included.

    Args:
        patience: number of epochs.
        losses: validation losses of the epochs that are done.
    """

    def __init__(self, patience, losses):
        super().__init__(monitor="val_loss", mode="min", patience=patience)
        self.losses = losses

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self.losses:
            self.best = min(self.losses)
            self.wait = epochs_without_gain(self.losses)


def _go_on_drawing(model):
    """Put the seeds of dropout, which are not kept with the weights, to where they are after
    so many steps, of which each draws once; else every resume would drop the same units."""
    for variable in model.variables:
        if variable.name == "seed_generator_state":
            seed, _ = keras.ops.convert_to_numpy(variable)
            variable.assign([seed, int(model.optimizer.iterations)])


def epochs_without_gain(losses):
    """How many epochs have passed since the lowest loss; 0 for none."""
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0
