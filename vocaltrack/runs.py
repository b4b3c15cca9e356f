"""The folder of a training run.

run.json       every setting, features and input normalisation
best.keras     the weights of the best validation loss
log.csv        losses and learning rate of each epoch
backup/        the newest state, for going on after a kill
tensorboard/   losses, learning rate, pictures and audio
"""

import csv
import dataclasses
import json
from pathlib import Path

import keras

from vocaltrack.config import FeatureConfig, read_json
from vocaltrack.errors import UserError
from vocaltrack.files import write_atomically


def load_run(run):
    """A run's best network and what describes it.

    Args:
        run: folder of the run.

    Returns:
        (model, description): `keras.Model` and the content of run.json with
        "features" as `FeatureConfig`.

    Raises:
        UserError: the folder holds no trained network.
    """
    run = Path(run)
    if not (run / "best.keras").exists():
        raise UserError(f"{run} holds no best.keras; train a model there first")
    description = read_json(run / "run.json", "the run")
    description["features"] = FeatureConfig.from_dict(description["features"])
    try:
        model = keras.models.load_model(run / "best.keras", compile=False)
    except (ValueError, OSError, TypeError) as error:
        raise UserError(f"{run / 'best.keras'} cannot be loaded: {error}") from error
    return model, description


def claim_run(run, config, network, manifest):
    """Write run.json, or refuse a folder that holds a run with other settings."""
    settings = {
        "training": dataclasses.asdict(config),
        "network": dataclasses.asdict(network),
        "features": manifest.features.to_dict(),
        "mean": list(manifest.mean),
        "std": list(manifest.std),
        "songs": manifest.songs,
    }
    path = run / "run.json"
    if path.exists():
        old = read_json(path, "the run")
        for part in ("training", "network", "features"):
            for name, value in settings[part].items():
                if name != "epochs" and old[part].get(name) != value:
                    raise UserError(
                        f"{run} was trained with {name}={old[part].get(name)}, not {value}; "
                        "give the same settings or another folder"
                    )
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{run} cannot be made: {error}") from error
    text = json.dumps(settings, indent=1, ensure_ascii=False)
    write_atomically(path, lambda p: Path(p).write_text(text, encoding="utf-8"))


def logged(run, name):
    """A column of the run's log as floats; empty before the first epoch."""
    path = run / "log.csv"
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def epochs_done(run):
    """How many epochs a run has behind it."""
    return len(logged(run, "val_loss"))
