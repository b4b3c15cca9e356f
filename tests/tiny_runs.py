"""Tiny networks, records and runs, which the tests of training and of runs share."""

import pytest
import soundfile

from tests.paths import EXAMPLE
from vocaltrack.config import ClusteringConfig, TrainingConfig, UnetConfig
from vocaltrack.datasets import read_stems
from vocaltrack.prepare import prepare
from vocaltrack.training import train

SMALL_UNET = UnetConfig(filters=4, style="strided", dropout=0.0)
SMALL_CLUSTERING = ClusteringConfig(units=8, layers=1, dropout=0.0)


def settings(model, **changes):
    values = {"batch_size": 4, "epochs": 2, "steps_per_epoch": 3, **changes}
    return TrainingConfig(model=model, **values)


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for split, start in (("train", 0), ("valid", 12)):
        for name in ("vocals", "accompaniment"):
            audio, rate = soundfile.read(
                EXAMPLE / f"{name}.flac", start=start * 16000, frames=8 * 16000
            )
            folder = root / split / f"{split}-song"
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{name}.wav", audio, rate)
    folder = root / "records"
    prepare(read_stems(root), folder, {"train": 32, "valid": 8}, workers=1)
    return folder


@pytest.fixture(scope="session")
def other_records(records):
    """Other mixtures of the same songs, so that mean and std are others too."""
    folder = records.parent / "other"
    sizes = {"train": 32, "valid": 8}
    prepare(read_stems(records.parent), folder, sizes, seed=1, workers=1)
    return folder


@pytest.fixture(scope="session")
def runs(records, tmp_path_factory):
    """One tiny run of each model, trained one from the other."""
    folder = tmp_path_factory.mktemp("runs")
    train(settings("dc"), SMALL_CLUSTERING, records, folder / "dc", verbose=0)
    train(
        settings("hdc"), SMALL_CLUSTERING, records, folder / "hdc", None, folder / "dc", verbose=0
    )
    train(settings("unet", epochs=3), SMALL_UNET, records, folder / "unet", verbose=0)
    train(
        settings("uhnet"),
        SMALL_UNET,
        records,
        folder / "uhnet",
        folder / "hdc",
        folder / "unet",
        verbose=0,
    )
    return folder
