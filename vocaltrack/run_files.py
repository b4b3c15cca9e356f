"""What is written into the folder of a run, whole or not at all."""

import csv
import io
import math
import os
import shutil
from pathlib import Path

from vocaltrack.errors import UserError, one_line
from vocaltrack.files import replace_folder, write_atomically
from vocaltrack.jsonfiles import write_json

TEMPORARY = "temporary."  # the files that are not whole yet
BYTES_EACH = 5  # of a float32 and its share of what the file holds besides


def check_losses(epoch, losses):
    """Refuse an epoch whose "loss" or "val_loss" is not a number.

    Raises:
        UserError: names the epoch.
    """
    if not math.isfinite(losses["loss"]) or not math.isfinite(losses["val_loss"]):
        raise UserError(
            f"the loss is not a number in epoch {epoch + 1}; "
            "start a new run with a lower --learning-rate"
        )


def replace_weights(run, name, save, variables):
    """Write a file of a run's weights as a whole.

    Args:
        run: folder of the run.
        name: of the file.
        save: takes the path to write to.
        variables: those that the file holds, for which there must be room: HDF5 may end
            the process on a full disk.

    Raises:
        UserError: the file cannot be written.
    """
    temporary = run / f"{TEMPORARY}{name}"
    size = BYTES_EACH * sum(math.prod(variable.shape) for variable in variables)
    try:
        if shutil.disk_usage(run).free < size:
            raise OSError(f"it needs {size / 1e6:.1f} MB, which the disk has not left")
        save(temporary)
        os.replace(temporary, run / name)
    except OSError as error:
        raise UserError(
            f"{run / name} cannot be written: {one_line(error)}; "
            "make room and run the same again, it goes on"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def make_run(run, model, description):
    """Make the folder of a run whose network comes from another run's, not from training.

    Args:
        run: its folder.
        model: `keras.Model`.
        description: what describes it, as `runs.read_run` returns it.

    Raises:
        UserError: it cannot be written there.
    """
    described = {**description, "features": description["features"].to_dict()}

    def fill(folder):
        write_json(folder / "run.json", described)
        model.save(folder / "best.keras")

    replace_folder(run, fill)


def read_log(run):
    """The rows of a run's log as dicts of strings; empty before the first epoch.

    Raises:
        UserError: it is damaged.
    """
    path = run / "log.csv"
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            float(row["val_loss"])
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is damaged; bring it back or start a new run") from error
    return rows


def write_log(run, rows):
    """Write the log anew from all its rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[-1]), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(
        run / "log.csv",
        lambda p: Path(p).write_text(text.getvalue(), encoding="utf-8", newline=""),
    )
