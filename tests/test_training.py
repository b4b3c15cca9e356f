"""A few tiny steps: losses fall, runs resume, best weights stay, refusals."""

import csv
import json

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.paths import EXAMPLE
from vocaltrack.cli import main
from vocaltrack.config import ClusteringConfig, FeatureConfig, UnetConfig
from vocaltrack.datasets import read_stems
from vocaltrack.errors import UserError
from vocaltrack.prepare import prepare
from vocaltrack.records import Manifest
from vocaltrack.runs import load_run
from vocaltrack.training import TrainingConfig, train

SMALL_UNET = UnetConfig(filters=4, style="strided", dropout=0.0)
SMALL_CLUSTERING = ClusteringConfig(units=8, layers=1, dropout=0.0)


def settings(model, **changes):
    values = {"batch_size": 4, "epochs": 2, "steps_per_epoch": 3, **changes}
    return TrainingConfig(model=model, **values)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


def log(run):
    with open(run / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["dc", "hdc", "unet", "uhnet"])
def test_a_run_leaves_what_it_promises(runs, name):
    run = runs / name
    description = json.loads((run / "run.json").read_text())
    assert description["training"]["model"] == name
    assert description["features"] == FeatureConfig().to_dict()
    rows = log(run)
    assert len(rows) == (3 if name == "unet" else 2)
    assert all(np.isfinite(float(row["val_loss"])) for row in rows)
    model, _ = load_run(run)
    assert model.name == name


def test_the_uhnet_holds_the_hdc_unchanged(runs):
    hdc, _ = load_run(runs / "hdc")
    uhnet, _ = load_run(runs / "uhnet")
    inner = uhnet.get_layer("hdc")
    for mine, theirs in zip(inner.get_weights(), hdc.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_normalisation_is_the_records(runs, records):
    manifest = Manifest.load(records)
    for name in ("dc", "unet"):
        model, _ = load_run(runs / name)
        layer = model.get_layer("normalise")
        np.testing.assert_allclose(np.ravel(layer.mean), manifest.mean, rtol=1e-5)
        np.testing.assert_allclose(np.sqrt(np.ravel(layer.variance)), manifest.std, rtol=1e-5)


def test_an_interrupted_run_goes_on(records, tmp_path):
    """Two epochs, then the third in another call: epochs are not repeated, the
    optimizer's state is there, and the best loss so far is not overwritten."""
    run = tmp_path / "run"
    train(settings("unet", epochs=2), SMALL_UNET, records, run, verbose=0)
    best = min(float(row["val_loss"]) for row in log(run))
    stamp = (run / "best.keras").stat().st_mtime_ns
    history = train(settings("unet", epochs=3), SMALL_UNET, records, run, verbose=0)
    assert history.epoch == [2]
    rows = log(run)
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    assert int(history.model.optimizer.iterations) == 9
    improved = float(rows[-1]["val_loss"]) < best
    assert ((run / "best.keras").stat().st_mtime_ns > stamp) == improved


def test_other_settings_in_the_same_run_are_refused(runs, records):
    with pytest.raises(UserError, match="learning_rate=0.001, not 0.1"):
        train(settings("unet", learning_rate=0.1), SMALL_UNET, records, runs / "unet", verbose=0)
    with pytest.raises(UserError, match="filters=4, not 8"):
        other = UnetConfig(filters=8, style="strided", dropout=0.0)
        train(settings("unet"), other, records, runs / "unet", verbose=0)


def test_records_of_other_features_are_refused_by_name(runs, records, tmp_path):
    other = FeatureConfig(n_fft=512)
    folder = tmp_path / "records"
    prepare(read_stems(records.parent), folder, {"train": 4, "valid": 4}, other, workers=1)
    with pytest.raises(UserError, match="n_fft is 512 in the records but 1024"):
        train(settings("uhnet"), SMALL_UNET, folder, tmp_path / "run", runs / "hdc", verbose=0)


def test_the_uhnet_needs_an_hdc(runs, records, tmp_path):
    with pytest.raises(UserError, match="--clustering"):
        train(settings("uhnet"), SMALL_UNET, records, tmp_path / "run", verbose=0)
    with pytest.raises(UserError, match="holds a dc; here it must be hdc"):
        train(settings("uhnet"), SMALL_UNET, records, tmp_path / "run", runs / "dc", verbose=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore:unclosed file", "ignore:Exception ignored in")  # CSVLogger's
def test_a_corrupt_shard_is_one_line(records, tmp_path, capsys):
    import shutil

    damaged = tmp_path / "records"
    shutil.copytree(records, damaged)
    shard = next(damaged.glob("train-*.tfrecord"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    words = [
        "train-unet",
        "--model",
        "unet",
        "--records",
        str(damaged),
        "--run",
        str(tmp_path / "r"),
    ]
    code = main([*words, "--epochs", "1", "--steps-per-epoch", "20", "--batch-size", "4"])
    error = capsys.readouterr().err
    assert code == 2
    assert f"{shard} is corrupt" in error


def test_tensorboard_holds_losses_pictures_and_sound(runs):
    tags = set()
    for path in (runs / "unet" / "tensorboard").rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {"epoch_loss", "epoch_learning_rate"} <= tags
    assert any(tag.startswith("log-mel, target mask, predicted mask") for tag in tags)
    for sound in ("mixture", "target", "estimate"):
        assert any(tag.startswith(sound) for tag in tags)


def test_the_cosine_ends_at_zero(records, tmp_path):
    config = settings("unet", decay="cosine", optimizer="adam", epochs=1, steps_per_epoch=2)
    history = train(config, SMALL_UNET, records, tmp_path / "run", verbose=0)
    schedule = history.model.optimizer._learning_rate
    assert isinstance(schedule, keras.optimizers.schedules.CosineDecay)
    assert float(schedule(200 + 2)) < 1e-5


def test_export_of_a_run(runs, tmp_path):
    assert main(["export", str(runs / "unet"), str(tmp_path / "unet")]) == 0
    assert (tmp_path / "unet" / "assets" / "contract.json").exists()
    assert main(["export", str(tmp_path), str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()
