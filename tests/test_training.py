"""A few tiny steps: losses fall, runs resume, best weights stay, refusals."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.paths import EXAMPLE, SAVED_MODELS
from vocaltrack.callbacks import Plateau, RunKeeper, epochs_without_gain
from vocaltrack.cli import build_parser, main
from vocaltrack.compiling import compile_model
from vocaltrack.config import ClusteringConfig, FeatureConfig, TrainingConfig, UnetConfig
from vocaltrack.contract import read_contract
from vocaltrack.datasets import read_stems
from vocaltrack.errors import UserError
from vocaltrack.locks import alone_in
from vocaltrack.losses import DeepClusteringLoss
from vocaltrack.models import build_unet, vocals_mask
from vocaltrack.prepare import prepare
from vocaltrack.records import Manifest
from vocaltrack.run_files import read_log, replace_weights
from vocaltrack.runs import load_run
from vocaltrack.training import examples, train

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
def other_records(records):
    """Other mixtures of the same songs, so that mean and std are others too."""
    folder = records.parent / "other"
    sizes = {"train": 32, "valid": 8}
    prepare(read_stems(records.parent), folder, sizes, seed=1, workers=1)
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


@pytest.mark.parametrize("name", ["dc", "hdc", "unet", "uhnet"])
def test_a_run_leaves_what_it_promises(runs, name):
    run = runs / name
    description = json.loads((run / "run.json").read_text())
    assert description["training"]["model"] == name
    assert description["features"] == FeatureConfig().to_dict()
    rows = read_log(run)
    assert len(rows) == (3 if name == "unet" else 2)
    assert all(np.isfinite(float(row["val_loss"])) for row in rows)
    assert all(float(row["learning_rate"]) == pytest.approx(1e-3) for row in rows)
    assert (
        set(description["started_from"])
        == {"dc": set(), "hdc": {"initial"}, "unet": set(), "uhnet": {"initial", "clustering"}}[
            name
        ]
    )
    model, _ = load_run(run)
    assert model.name == name


def test_the_uhnet_holds_the_hdc_unchanged(runs):
    hdc, _ = load_run(runs / "hdc")
    uhnet, _ = load_run(runs / "uhnet")
    inner = uhnet.get_layer("hdc")
    for mine, theirs in zip(inner.get_weights(), hdc.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def normalisation(model):
    layer = model.get_layer("normalise")
    return np.ravel(layer.mean), np.sqrt(np.ravel(layer.variance))


def test_the_normalisation_is_the_records(runs, records):
    manifest = Manifest.load(records)
    for name in ("dc", "unet"):
        model, _ = load_run(runs / name)
        for found, expected in zip(normalisation(model), (manifest.mean, manifest.std)):
            np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_run_takes_over_the_normalisation_of_the_one_it_starts_from(
    runs, other_records, tmp_path
):
    """Its first layers expect it; the hdc inside a uhnet keeps its own."""
    old = json.loads((runs / "unet" / "run.json").read_text())
    others = Manifest.load(other_records)
    assert np.abs(np.subtract(old["mean"], others.mean)).max() > 0.1
    for initial, mean, std in (
        (runs / "unet", old["mean"], old["std"]),
        (None, list(others.mean), list(others.std)),
    ):
        run = tmp_path / f"from {initial and initial.name}"
        args = settings("uhnet", epochs=1), SMALL_UNET, other_records, run, runs / "hdc", initial
        train(*args, verbose=0)
        model, description = load_run(run)
        assert (description["mean"], description["std"]) == (mean, std)
        for found, expected in zip(normalisation(model), (mean, std)):
            np.testing.assert_allclose(found, expected, rtol=1e-5)
        for found, expected in zip(
            normalisation(model.get_layer("hdc")), (old["mean"], old["std"])
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert train(*args, verbose=0).epoch == []  # the same run, not one to refuse


def test_a_killed_run_goes_on(records, tmp_path):
    """Killed after its first epochs: none is repeated or lost, the optimizer's
    state is there, and the best weights are only replaced by better ones."""
    run = tmp_path / "run"
    words = ["train-unet", "--model", "unet", "--records", str(records), "--run", str(run)]
    words += ["--epochs", "4", "--steps-per-epoch", "2", "--batch-size", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vocaltrack", *words], stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while len(read_log(run)) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    before = read_log(run)
    assert 2 <= len(before) < 4
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    command = [sys.executable, "-m", "vocaltrack", *words]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    assert not list((tmp_path / "temporary").glob("*.py"))  # TensorFlow's, which traced it
    rows = read_log(run)
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3]
    assert rows[:1] == before[:1]  # the kill may come before the second epoch's state is kept
    losses = [float(row["val_loss"]) for row in rows]
    assert not list(run.glob("temporary.*"))
    model, _ = load_run(run)
    config = settings("unet", batch_size=2)
    compile_model(model, config)
    loss = model.evaluate(examples(config, Manifest.load(records), records, "valid", None))
    assert loss < min(losses) * 1.0001


def test_a_resume_brings_back_weights_and_the_optimizers_state(records, tmp_path):
    run = tmp_path / "run"
    trained = train(settings("unet"), SMALL_UNET, records, run, verbose=0).model
    keras.utils.set_random_seed(1)
    model = build_unet(SMALL_UNET, [-20.0] * 128, [10.0] * 128)
    compile_model(model, settings("unet"))
    assert RunKeeper(run, model).restore(model, 3) == 2
    for mine, theirs in zip(model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(model.optimizer.variables, trained.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_going_on_equals_the_counts_of_one_go(records, tmp_path):
    run = tmp_path / "run"
    train(settings("unet", epochs=2), SMALL_UNET, records, run, verbose=0)
    history = train(settings("unet", epochs=3), SMALL_UNET, records, run, verbose=0)
    assert history.epoch == [2]
    assert int(history.model.optimizer.iterations) == 9
    assert [int(row["epoch"]) for row in read_log(run)] == [0, 1, 2]
    again = train(settings("unet", epochs=3), SMALL_UNET, records, run, verbose=0)
    assert again.epoch == []


@pytest.mark.parametrize(("name", "halved"), [("hdc", "mask_head"), ("uhnet", "down0")])
def test_bfloat16_trains_and_saves_float32(name, halved, runs, records, tmp_path):
    network, clustering = {
        "hdc": (SMALL_CLUSTERING, None),
        "uhnet": (SMALL_UNET, runs / "hdc"),
    }[name]
    config = settings(name, precision="mixed_bfloat16", epochs=1)
    trained = train(config, network, records, tmp_path / "run", clustering, verbose=0).model
    assert keras.config.dtype_policy().name == "float32"
    assert trained.get_layer(halved).compute_dtype == "bfloat16"
    assert trained.get_layer("normalise").compute_dtype == "float32"
    saved, description = load_run(tmp_path / "run")
    assert description["training"]["precision"] == "mixed_bfloat16"
    assert {layer.compute_dtype for layer in saved._flatten_layers()} == {"float32"}
    for mine, theirs in zip(saved.weights, trained.weights, strict=True):
        assert mine.dtype == theirs.dtype == "float32"
        np.testing.assert_array_equal(mine, theirs)
    log_mel = np.random.default_rng(0).uniform(-60, 0, (1, 128, 128)).astype(np.float32)
    masks = vocals_mask(saved, log_mel), vocals_mask(trained, log_mel)
    np.testing.assert_allclose(*masks, atol=0.02)


@pytest.mark.parametrize(("name", "network"), [("hdc", SMALL_CLUSTERING), ("unet", SMALL_UNET)])
def test_bfloat16_learns_as_float32_does(name, network, runs, records, tmp_path):
    """From the same weights, which the seed alone does not give."""
    losses = []
    for precision in ("float32", "mixed_bfloat16"):
        config = settings(name, precision=precision, steps_per_epoch=8)
        run = tmp_path / precision
        history = train(config, network, records, run, None, runs / name, verbose=0).history
        losses.append([history["loss"], history["val_loss"]])
    np.testing.assert_allclose(*losses, rtol=0.01)
    assert losses[1][0][1] < 0.9 * losses[1][0][0]


def test_a_bfloat16_run_goes_on_to_the_counts_of_one_go(records, tmp_path):
    run = tmp_path / "run"
    config = settings("unet", precision="mixed_bfloat16")
    train(config, SMALL_UNET, records, run, verbose=0)
    before = read_log(run)
    more = settings("unet", precision="mixed_bfloat16", epochs=3)
    history = train(more, SMALL_UNET, records, run, verbose=0)
    assert history.epoch == [2]
    assert int(history.model.optimizer.iterations) == 9
    rows = read_log(run)
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2] and rows[:2] == before
    with pytest.raises(UserError, match="precision=mixed_bfloat16, not float32"):
        train(settings("unet", epochs=4), SMALL_UNET, records, run, verbose=0)


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(runs, records, tmp_path):
    run = shutil.copytree(runs / "unet", tmp_path / "unet")
    description = json.loads((run / "run.json").read_text())
    del description["training"]["precision"], description["network"]["fine_tuned"]
    (run / "run.json").write_text(json.dumps(description))
    other = settings("unet", epochs=3, precision="mixed_bfloat16")
    with pytest.raises(UserError, match="precision=float32, not mixed_bfloat16"):
        train(other, SMALL_UNET, records, run, verbose=0)
    assert train(settings("unet", epochs=3), SMALL_UNET, records, run, verbose=0).epoch == []


def test_a_run_goes_on_however_its_start_is_written_but_not_backwards(
    runs, records, tmp_path, monkeypatch, capsys
):
    run = shutil.copytree(runs / "uhnet", tmp_path / "uhnet")
    monkeypatch.chdir(runs)
    for initial in ("unet", f"{runs}/unet/", str(runs / "." / "hdc" / ".." / "unet")):
        args = SMALL_UNET, records, run, "hdc", initial
        assert train(settings("uhnet"), *args, verbose=0).epoch == []
        assert "2 of 2 epochs are done, no more to come" in capsys.readouterr().out
    with pytest.raises(UserError, match="epochs=2, not 1"):
        train(settings("uhnet", epochs=1), *args, verbose=0)
    with pytest.raises(UserError, match="started_from differs"):
        train(settings("uhnet"), SMALL_UNET, records, run, "hdc", "uhnet", verbose=0)
    assert train(settings("uhnet", epochs=3), *args, verbose=0).epoch == [2]
    assert "2 of 3 epochs are done, going on" in capsys.readouterr().out


def test_an_interrupted_save_leaves_nothing(tmp_path):
    def interrupted(path):
        path.write_text("half")
        raise KeyboardInterrupt

    (tmp_path / "newest.weights.h5").write_text("whole")
    with pytest.raises(KeyboardInterrupt):
        replace_weights(tmp_path, "newest.weights.h5", interrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["newest.weights.h5"]
    assert (tmp_path / "newest.weights.h5").read_text() == "whole"


@pytest.mark.parametrize("part", ["training", "songs"])
def test_a_run_that_does_not_describe_itself_is_refused(runs, records, tmp_path, part):
    shutil.copytree(runs / "unet", tmp_path / "unet")
    path = tmp_path / "unet" / "run.json"
    description = json.loads(path.read_text())
    del description[part]
    path.write_text(json.dumps(description))
    with pytest.raises(UserError, match="unet cannot be loaded"):
        load_run(tmp_path / "unet")


def test_early_stopping_counts_the_epochs_before_a_resume(records, tmp_path):
    """A learning rate of 0 never gets better: patience 2 ends in epoch 3."""
    run = tmp_path / "run"
    still = {"learning_rate": 0.0, "patience": 2, "epochs": 9, "steps_per_epoch": 1}
    history = train(settings("unet", **still), SMALL_UNET, records, run, verbose=0)
    losses = [float(row["val_loss"]) for row in read_log(run)]
    assert len(losses) == losses.index(min(losses)) + 1 + 2 < 9
    assert history.epoch == list(range(len(losses)))
    again = train(settings("unet", **still), SMALL_UNET, records, run, verbose=0)
    assert again.epoch == []


def test_the_log_has_the_rate_that_each_epoch_was_trained_with(records, tmp_path):
    """A rate too small to change anything is halved after three epochs without a gain."""
    run, tiny = tmp_path / "run", 1e-30
    still = {"learning_rate": tiny, "epochs": 6, "steps_per_epoch": 1}
    train(settings("dc", **still), SMALL_CLUSTERING, records, run, verbose=0)
    rates = [float(row["learning_rate"]) / tiny for row in read_log(run)]
    assert rates == pytest.approx([1, 1, 1, 1, 0.5, 0.5])


def test_the_plateau_halves_the_rate_across_a_resume():
    losses = [1.0, 0.5, 0.6, 0.7]
    plateau = Plateau(losses)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    plateau.set_model(model)
    plateau.on_train_begin()
    assert (plateau.best, plateau.wait) == (0.5, 2)
    plateau.on_epoch_end(4, {"val_loss": 0.8})
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
    assert epochs_without_gain(losses) == 2 and epochs_without_gain([]) == 0


def test_a_loss_that_is_no_number_stops_and_keeps_the_best(records, tmp_path):
    run = tmp_path / "run"
    train(settings("unet", epochs=1), SMALL_UNET, records, run, verbose=0)
    kept = {path.name: path.read_bytes() for path in run.glob("*.*")}
    keeper = RunKeeper(run, None)
    with pytest.raises(UserError, match="not a number in epoch 2"):
        keeper.on_epoch_end(1, {"loss": float("nan"), "val_loss": 1.0})
    assert {path.name: path.read_bytes() for path in run.glob("*.*")} == kept


def test_other_settings_in_the_same_run_are_refused(runs, records):
    with pytest.raises(UserError, match="learning_rate=0.001, not 0.1"):
        train(settings("unet", learning_rate=0.1), SMALL_UNET, records, runs / "unet", verbose=0)
    with pytest.raises(UserError, match="filters=4, not 8"):
        other = UnetConfig(filters=8, style="strided", dropout=0.0)
        train(settings("unet", epochs=3), other, records, runs / "unet", verbose=0)


def test_records_of_other_features_are_refused_by_name(runs, records, tmp_path):
    other = FeatureConfig(n_fft=512)
    folder = tmp_path / "records"
    prepare(read_stems(records.parent), folder, {"train": 4, "valid": 4}, other, workers=1)
    with pytest.raises(UserError, match="n_fft is 512 in the records but 1024"):
        train(settings("uhnet"), SMALL_UNET, folder, tmp_path / "run", runs / "hdc", verbose=0)


def test_a_run_that_heard_the_validation_songs_is_refused(runs, records, tmp_path):
    shutil.copytree(runs / "unet", tmp_path / "unet")
    path = tmp_path / "unet" / "run.json"
    description = json.loads(path.read_text())
    description["songs"]["train"] += description["songs"]["valid"]
    path.write_text(json.dumps(description))
    with pytest.raises(UserError, match="which is for validation here"):
        train(settings("unet"), SMALL_UNET, records, tmp_path / "r", None, tmp_path / "unet")


def test_what_an_earlier_run_heard_is_remembered(runs, records, tmp_path):
    """The uhnet started from a unet and an hdc, and that from a dc."""
    folder = shutil.copytree(runs, tmp_path / "runs")
    path = folder / "dc" / "run.json"
    description = json.loads(path.read_text())
    description["songs"]["train"], description["heard"] = ["a/b"], ["a/b", "x/y"]
    path.write_text(json.dumps(description))
    sources = {"hdc": ("dc", None), "uhnet": ("unet", "hdc")}
    for name, network in (("hdc", SMALL_CLUSTERING), ("uhnet", SMALL_UNET)):
        initial, clustering = sources[name]
        run = folder / f"new-{name}"
        clustering = clustering and folder / f"new-{clustering}"
        config = settings(name, epochs=1)
        train(config, network, records, run, clustering, folder / initial, verbose=0)
        heard = json.loads((run / "run.json").read_text())["heard"]
        assert heard == sorted({"a/b", "x/y", *Manifest.load(records).songs["train"]})


def test_a_run_has_a_folder_of_its_own(runs, records):
    with pytest.raises(UserError, match="holds records; give the run a folder of its own"):
        train(settings("unet"), SMALL_UNET, records, records, verbose=0)
    with pytest.raises(UserError, match="it is a SavedModel, of which recipes/shipped/unfold.py"):
        load_run(SAVED_MODELS / "unet")


def test_two_trainings_of_one_run_are_refused(runs, records):
    """The second, which asks for more epochs, leaves the first one's settings alone."""
    before = (runs / "unet" / "run.json").read_bytes()
    with (
        alone_in(runs / "unet"),
        pytest.raises(UserError, match="another process works in"),
    ):
        train(settings("unet", epochs=9), SMALL_UNET, records, runs / "unet", verbose=0)
    assert (runs / "unet" / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["best.keras", "newest.weights.h5"])
def test_a_damaged_run_is_one_line(runs, tmp_path, name):
    """A byte at a time: zip files and HDF5 have many ways to be wrong (a byte of HDF5's
    numbers, which have no checksum, is none of them)."""
    run = shutil.copytree(runs / "dc", tmp_path / "dc")
    whole = (run / name).read_bytes()
    rng = np.random.default_rng(0)
    places = len(whole) if name == "best.keras" else 4096
    refused = 0
    for _ in range(12):
        data = bytearray(whole)
        data[rng.integers(places)] ^= 0xFF
        (run / name).write_bytes(data)
        try:
            load_run(run, last=name == "newest.weights.h5")
        except UserError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused


@pytest.mark.parametrize(
    ("name", "chosen", "kind"),
    [
        ("unet", {}, keras.optimizers.RMSprop),
        ("hdc", {"optimizer": "adam", "target_columns": 1}, keras.optimizers.Adam),
    ],
)
def test_the_objective_is_what_the_settings_say(runs, name, chosen, kind):
    model, _ = load_run(runs / name)
    config = settings(name, embedding_weight=0.2, **chosen)
    compile_model(model, config)
    assert type(model.optimizer) is kind and model.optimizer.clipnorm == 5.0
    losses = model._compile_loss._user_loss
    if name == "unet":
        assert type(losses) is keras.losses.BinaryCrossentropy
        return
    assert type(losses["masks"]) is keras.losses.BinaryCrossentropy
    assert type(losses["embeddings"]) is DeepClusteringLoss
    assert losses["embeddings"].columns == 1
    assert model._compile_loss._user_loss_weights == {"embeddings": 0.2, "masks": 0.8}


@pytest.mark.parametrize("name", ["unet", "hdc"])
def test_the_exponent_weighs_the_mask_loss(records, name):
    for exponent, plain in ((0.0, True), (0.25, False)):
        config = settings(name, power_exponent=exponent)
        *_, weights = next(iter(examples(config, Manifest.load(records), records, "valid", None)))
        weights = np.asarray(weights["masks"] if name == "hdc" else weights)
        assert (weights == 1.0).all() == plain


def test_the_commands_defaults_are_the_librarys():
    """The paper's optimizer, batch and dropout; its learning rate is another."""
    parser = build_parser()
    for command, model in (("train-clustering", "hdc"), ("train-unet", "uhnet")):
        words = [command, "--model", model, "--records", "x", "--run", "y"]
        given = vars(parser.parse_args(words))
        assert given["dropout"] == ClusteringConfig().dropout == UnetConfig().dropout == 0.5
        for field in dataclasses.fields(TrainingConfig):
            if field.name in given and field.name != "model":
                assert given[field.name] == field.default, field.name
        assert (given["optimizer"], given["batch_size"]) == ("rmsprop", 32)


def test_more_epochs_are_refused_under_the_cosine(records, tmp_path):
    cosine = {"decay": "cosine", "steps_per_epoch": 1}
    train(settings("unet", epochs=1, **cosine), SMALL_UNET, records, tmp_path / "r", verbose=0)
    with pytest.raises(UserError, match="epochs=1, not 2"):
        train(settings("unet", epochs=2, **cosine), SMALL_UNET, records, tmp_path / "r", verbose=0)


@pytest.mark.parametrize("changed", [{"embedding_weight": 0.1}, {"power_exponent": 0.0}])
def test_what_a_dc_would_ignore_is_refused(records, tmp_path, changed):
    with pytest.raises(UserError, match="a dc has no mask head; leave --embedding-weight"):
        train(settings("dc", **changed), SMALL_CLUSTERING, records, tmp_path / "r", verbose=0)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["model", "optimizer", "decay", "precision"])
def test_a_setting_that_there_is_not_is_refused(name):
    with pytest.raises(UserError, match=f"no {name} 'cosin'; choose one of "):
        TrainingConfig(**{"model": "unet", name: "cosin"})


def test_the_uhnet_needs_an_hdc(runs, records, tmp_path):
    with pytest.raises(UserError, match="--clustering"):
        train(settings("uhnet"), SMALL_UNET, records, tmp_path / "run", verbose=0)
    with pytest.raises(UserError, match="a unet takes no --clustering"):
        train(settings("unet"), SMALL_UNET, records, tmp_path / "run", runs / "hdc", verbose=0)
    with pytest.raises(UserError, match="holds a dc; here it must be hdc"):
        train(settings("uhnet"), SMALL_UNET, records, tmp_path / "run", runs / "dc", verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_uhnet_starts_from_another_with_the_hdc_inside_it(runs, records, tmp_path):
    """Fine-tuned a step, that one has moved; the run that it came from has not."""
    tuned = dataclasses.replace(SMALL_UNET, fine_tuned=True)
    config = settings("uhnet", epochs=1)
    train(config, tuned, records, tmp_path / "tuned", None, runs / "uhnet", verbose=0)
    train(config, SMALL_UNET, records, tmp_path / "frozen", None, tmp_path / "tuned", verbose=0)
    hdcs = [
        load_run(run)[0].get_layer("hdc").get_weights()
        for run in (runs / "uhnet", tmp_path / "tuned", tmp_path / "frozen")
    ]
    moved = [np.abs(new - old).max() for old, new in zip(*hdcs[:2], strict=True)]
    assert max(moved) > 1e-4
    for tuned, frozen in zip(*hdcs[1:], strict=True):
        np.testing.assert_array_equal(frozen, tuned)
    description = json.loads((tmp_path / "tuned" / "run.json").read_text())
    assert description["network"]["fine_tuned"] is True
    assert set(description["started_from"]) == {"initial"}


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_corrupt_shard_is_one_line(records, tmp_path, capsys, split):
    damaged = tmp_path / "records"
    shutil.copytree(records, damaged)
    shard = next(damaged.glob(f"{split}-*.tfrecord"))
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
    line = error.splitlines()[-1]
    assert line.startswith("vocaltrack: error: ") and f"{shard} is corrupt" in line
    assert not (tmp_path / "r").exists()


def test_tensorboard_holds_losses_pictures_and_sound(runs):
    tags = set()
    for path in (runs / "unet" / "tensorboard").rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {"epoch_loss", "epoch_learning_rate"} <= tags
    assert any(tag.startswith("log-mel, target mask, predicted mask") for tag in tags)
    for sound in ("mixture", "target", "estimate"):
        assert any(tag.startswith(sound) for tag in tags)


def test_the_cosine_warms_up_and_ends_at_zero():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    config = settings("unet", decay="cosine", epochs=4, steps_per_epoch=1000, learning_rate=0.01)
    compile_model(model, config)
    rate = model.optimizer._learning_rate
    assert float(rate(0)) == 0.0
    assert float(rate(200)) == pytest.approx(0.01, rel=1e-3)
    assert float(rate(2100)) == pytest.approx(0.005, rel=1e-3)
    assert float(rate(4000)) < 1e-8


def test_a_short_cosine_warms_up_for_a_tenth_of_its_steps():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    compile_model(model, settings("unet", decay="cosine", epochs=2, steps_per_epoch=50))
    rate = model.optimizer._learning_rate
    assert float(rate(5)) == pytest.approx(5e-4) and float(rate(10)) == pytest.approx(1e-3)


def test_the_seed_is_of_the_weights_and_of_the_order_which_a_resume_does_not_repeat(
    records, tmp_path, monkeypatch
):
    seeds = []

    def recorded(config, manifest, records, split, seed):
        seeds.append((split, seed))
        return examples(config, manifest, records, split, seed)

    monkeypatch.setattr("vocaltrack.training.examples", recorded)
    for seed, epochs in ((0, 1), (5, 1), (5, 2)):
        config = settings("unet", seed=seed, epochs=epochs, steps_per_epoch=1, learning_rate=0.0)
        train(config, SMALL_UNET, records, tmp_path / f"{seed}", verbose=0)
    assert [seed for split, seed in seeds if split == "train"] == [0, 5, 6]
    assert [seed for split, seed in seeds if split == "valid"] == [None] * 3
    first, second = (
        load_run(tmp_path / name)[0].get_layer("down0").get_weights()[0] for name in ("0", "5")
    )
    assert np.abs(first - second).max() > 0.01


def test_export_of_a_run(runs, tmp_path):
    assert main(["export", str(runs / "unet"), str(tmp_path / "unet")]) == 0
    heard = json.loads((runs / "unet" / "run.json").read_text())["songs"]["train"]
    assert read_contract(tmp_path / "unet")["heard"] == heard
    assert main(["export", str(tmp_path), str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()


def test_the_last_epochs_weights_are_taken_when_asked_for(runs, tmp_path):
    run = tmp_path / "unet"
    shutil.copytree(runs / "unet", run)
    model, _ = load_run(run)
    best = model.get_weights()
    model.set_weights([2.0 * values for values in best])
    model.save_weights(run / "newest.weights.h5")
    for last, factor in ((False, 1.0), (True, 2.0)):
        for values, expected in zip(load_run(run, last)[0].get_weights(), best):
            np.testing.assert_array_equal(values, factor * expected)
    (run / "newest.weights.h5").unlink()
    with pytest.raises(UserError, match="holds no last epoch's weights"):
        load_run(run, last=True)
    assert main(["export", "--last", str(run), str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()
