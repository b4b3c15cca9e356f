"""What a run writes into its folder after each epoch, whole or not at all."""

import csv
import io
import math
import os
from pathlib import Path

from vocaltrack.errors import UserError
from vocaltrack.files import write_atomically


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


def replace_weights(run, name, save):
    """Write a file of a run's weights as a whole; `save` takes its path."""
    temporary = run / f"temporary.{name}"
    try:
        save(temporary)
        os.replace(temporary, run / name)
    finally:
        temporary.unlink(missing_ok=True)


def read_log(run):
    """The rows of a run's log as dicts of strings; empty before the first epoch."""
    path = run / "log.csv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
