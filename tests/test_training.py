"""A few tiny steps: losses fall, networks start from others, refusals."""

import collections
import dataclasses
import json
import os
import shutil
from unittest.mock import Mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.tiny_runs import SMALL_CLUSTERING, SMALL_UNET, settings
from vocaltrack.callbacks import RunKeeper
from vocaltrack.cli import build_parser, main
from vocaltrack.compiling import compile_model
from vocaltrack.config import ClusteringConfig, FeatureConfig, TrainingConfig, UnetConfig
from vocaltrack.datasets import read_stems
from vocaltrack.errors import UserError
from vocaltrack.losses import DeepClusteringLoss
from vocaltrack.models import build_unet, vocals_mask
from vocaltrack.prepare import prepare
from vocaltrack.records import Manifest
from vocaltrack.run_files import read_log
from vocaltrack.runs import load_run
from vocaltrack.training import _callbacks, examples, train


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
    assert losses[1][0][1] < 0.95 * losses[1][0][0]


def test_a_loss_that_is_no_number_stops_and_keeps_the_best(records, tmp_path):
    run = tmp_path / "run"
    train(settings("unet", epochs=1), SMALL_UNET, records, run, verbose=0)
    kept = {path.name: path.read_bytes() for path in run.glob("*.*")}
    keeper = RunKeeper(run, None)
    for losses in ((np.nan, 1.0), (1.0, np.nan), (1.0, np.inf)):
        with pytest.raises(UserError, match="not a number in epoch 2"):
            keeper.on_epoch_end(1, dict(zip(("loss", "val_loss"), losses)))
    assert {path.name: path.read_bytes() for path in run.glob("*.*")} == kept


def test_records_of_other_features_are_refused_by_name(runs, records, tmp_path):
    other = FeatureConfig(n_fft=512)
    folder = tmp_path / "records"
    prepare(read_stems(records.parent), folder, {"train": 4, "valid": 4}, other, workers=1)
    with pytest.raises(UserError, match="n_fft is 512 in the records but 1024"):
        train(settings("uhnet"), SMALL_UNET, folder, tmp_path / "run", runs / "hdc", verbose=0)


@pytest.mark.parametrize(
    ("name", "chosen", "kind"),
    [
        ("unet", {}, keras.optimizers.RMSprop),
        ("hdc", {"optimizer": "adam", "target_columns": 1}, keras.optimizers.Adam),
    ],
)
def test_the_objective_is_what_the_settings_say(runs, records, name, chosen, kind):
    model, _ = load_run(runs / name)
    config = settings(name, embedding_weight=0.2, **chosen)
    compile_model(model, config)
    assert type(model.optimizer) is kind and model.optimizer.clipnorm == 5.0
    mask_loss = model.loss if name == "unet" else model.loss["masks"]
    found = float(mask_loss(np.float32([[1, 0.5]]), np.float32([[0.25, 0.5]])))
    assert found == pytest.approx(-(np.log(0.25) + np.log(0.5)) / 2, rel=1e-5)
    if name == "unet":
        return
    assert type(model.loss["embeddings"]) is DeepClusteringLoss
    assert model.loss["embeddings"].columns == 1
    data = examples(config, Manifest.load(records), records, "valid", None)
    found = model.evaluate(data, return_dict=True, verbose=0)
    parts = 0.2 * found["embeddings_loss"] + 0.8 * found["masks_loss"]
    assert found["loss"] == pytest.approx(parts, rel=1e-5)


def test_the_training_step_is_traced_once():
    """It takes seconds, and a step that makes the optimizer's variables is traced twice."""
    model = build_unet(SMALL_UNET, [-30.0] * 128, [15.0] * 128)
    compile_model(model, settings("unet"))
    traced, step = [], model.train_step
    model.train_step = lambda data: traced.append(data) or step(data)
    chunks = np.random.default_rng(0).normal(-30, 15, (8, 128, 128)).astype(np.float32)
    model.fit(chunks, np.ones((8, 128, 128, 1)), batch_size=4, epochs=2, verbose=0)
    assert len(traced) == 1 and int(model.optimizer.iterations) == 4


@pytest.mark.parametrize("split", ["train", "valid"])
def test_batches_are_as_large_as_the_settings_say(records, split):
    config = settings("unet", batch_size=3)
    dataset = examples(config, Manifest.load(records), records, split, 0)
    assert [len(log_mel) for log_mel, *_ in dataset.take(2)] == [3, 3]


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


def test_what_is_not_asked_for_is_what_the_readme_tells():
    """Its numbers of chunks, gigabytes, hours and parameters are those of these settings."""
    parser, places = build_parser(), ["--records", "x", "--run", "y"]
    given = parser.parse_args(["prepare", "-o", "x"])
    assert given.jobs == os.cpu_count()
    assert (given.train_chunks, given.n_fft, FeatureConfig().n_fft) == (64000, 1024, 1024)
    for command, model in (("train-clustering", "hdc"), ("train-unet", "uhnet")):
        given = parser.parse_args([command, *places])
        assert (given.model, given.preset, given.decay) == (model, "compact", "plateau")
        assert (given.epochs, given.steps_per_epoch, given.patience) == (50, 250, 10)
        assert (given.learning_rate, given.power_exponent) == (1e-3, 0.25)
    given = parser.parse_args(["evaluate", "--model", "unet"])
    assert (given.split, given.native) == ("valid", False)
    given = parser.parse_args(["separate", "in.wav", "out.wav"])
    assert (given.model, given.overlap, given.phase) == ("uhnet", 0.25, "mixture")
    assert (given.clip, given.start, given.duration) == ("rescale", 0, None)


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
    with pytest.raises(UserError, match="--clustering"):  # a unet holds none
        args = SMALL_UNET, records, tmp_path / "run", None, runs / "unet"
        train(settings("uhnet"), *args, verbose=0)
    with pytest.raises(UserError, match="a unet takes no --clustering"):
        train(settings("unet"), SMALL_UNET, records, tmp_path / "run", runs / "hdc", verbose=0)
    with pytest.raises(UserError, match="holds a dc; here it must be hdc"):
        train(settings("uhnet"), SMALL_UNET, records, tmp_path / "run", runs / "dc", verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_run_of_other_filters_is_nothing_to_start_from(runs, records, tmp_path):
    wide = dataclasses.replace(SMALL_UNET, filters=2 * SMALL_UNET.filters)
    with pytest.raises(UserError, match="unet is of another size than this network; give the"):
        train(settings("unet"), wide, records, tmp_path / "r", None, runs / "unet", verbose=0)
    assert not (tmp_path / "r").exists()


def test_a_uhnet_starts_from_another_with_the_hdc_inside_it(runs, records, tmp_path, capsys):
    """Fine-tuned a step, that one has moved; the run that it came from has not."""
    tuned = dataclasses.replace(SMALL_UNET, fine_tuned=True)
    config = settings("uhnet", epochs=1)
    train(config, tuned, records, tmp_path / "tuned", None, runs / "uhnet", verbose=0)
    loss = min(float(row["val_loss"]) for row in read_log(runs / "uhnet"))
    said = f"the weights that it starts from have a val_loss of {loss:.4f}"
    assert capsys.readouterr().out == f"{tmp_path / 'tuned'}: {said}\n"
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


def test_a_shard_that_vanishes_in_training_is_one_line(records, tmp_path, monkeypatch):
    kept = shutil.copytree(records, tmp_path / "records")
    shard = next(kept.glob("train-*.tfrecord"))

    def then_vanishes(model, config):
        shard.unlink()
        compile_model(model, config)

    monkeypatch.setattr("vocaltrack.training.compile_model", then_vanishes)
    with pytest.raises(UserError, match=f"^{shard} is corrupt or gone; "):
        train(settings("unet"), SMALL_UNET, kept, tmp_path / "r", verbose=0)
    assert not (tmp_path / "r").exists()


def test_a_full_disk_is_one_line_and_leaves_no_new_run(records, tmp_path, monkeypatch):
    message = "{{function_node __wrapped__}} e.v2; No space left on device [Op:Create]"
    full = tf.errors.ResourceExhaustedError(None, None, message)
    monkeypatch.setattr(tf.summary, "create_file_writer", Mock(side_effect=full))
    with pytest.raises(UserError) as caught:
        train(settings("unet"), SMALL_UNET, records, tmp_path / "r", verbose=0)
    said = f"{tmp_path / 'r'}: e.v2; No space left on device; make room, on the disk or in memory"
    assert str(caught.value).startswith(said)
    assert not (tmp_path / "r").exists()


def tensorboard(run):
    """(step, value) of all that TensorBoard shows of a run."""
    for path in (run / "tensorboard").rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            yield from ((event.step, value) for value in event.summary.value)


def test_tensorboard_has_the_learning_rates_of_the_log(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    config = settings("unet", patience=9, learning_rate=0.5)
    compile_model(model, config)
    keeper = RunKeeper(tmp_path, model)
    callbacks = keras.callbacks.CallbackList(
        _callbacks(config, keeper, keras.callbacks.Callback()), model=model
    )
    callbacks.on_train_begin()
    for epoch in range(6):
        callbacks.on_epoch_begin(epoch)
        callbacks.on_epoch_end(epoch, {"loss": 1.0, "val_loss": 1.0})
    callbacks.on_train_end()
    rates = [float(row["learning_rate"]) for row in read_log(tmp_path)]
    assert rates == [0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    shown = [
        (step, tf.make_ndarray(value.tensor))
        for step, value in tensorboard(tmp_path)
        if value.tag == "epoch_learning_rate"
    ]
    assert shown == list(enumerate(rates))


@pytest.mark.parametrize(
    ("rows", "is_there"), [([], False), ([], True), ([{"val_loss": 1.0}], False)]
)
def test_a_damaged_shard_deletes_neither_what_was_learnt_nor_a_folder_that_was_there(
    records, tmp_path, monkeypatch, rows, is_there
):
    def fit(model, *args, callbacks, **options):
        next(c for c in callbacks if isinstance(c, RunKeeper)).rows += rows
        raise tf.errors.DataLossError(None, None, "corrupted record")

    monkeypatch.setattr(keras.Model, "fit", fit)
    run = tmp_path / "run"
    if is_there:
        run.mkdir()
    with pytest.raises(UserError, match="is corrupt or gone; "):
        train(settings("unet"), SMALL_UNET, records, run, verbose=0)
    assert run.exists() == (is_there or bool(rows))


def test_tensorboard_holds_losses_pictures_and_sound(runs):
    shown = collections.defaultdict(list)
    for step, value in tensorboard(runs / "unet"):
        shape = tuple(dim.size for dim in value.tensor.tensor_shape.dim)
        shown[value.tag].append((step, shape))
    assert {"epoch_loss", "epoch_learning_rate"} <= set(shown)
    epochs = range(len(read_log(runs / "unet")))
    chunks = 2  # as many excerpts are there to validate on
    pictures = [(epoch, (2 + chunks,)) for epoch in epochs]  # width and height before them
    assert shown["log-mel, target mask, predicted mask"] == pictures
    assert shown["estimate"] == [(epoch, (chunks, 2)) for epoch in epochs]  # sound and label
    assert shown["mixture"] == shown["target"] == [(0, (chunks, 2))]


def test_the_cosine_warms_up_and_ends_at_zero():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    config = settings("unet", decay="cosine", epochs=4, steps_per_epoch=1000, learning_rate=0.01)
    compile_model(model, config)
    for step, rate in ((0, 0.0), (200, 0.01), (2100, 0.005), (4000, 0.0)):
        model.optimizer.iterations.assign(step)
        assert float(model.optimizer.learning_rate) == pytest.approx(rate, rel=1e-3, abs=1e-8)


def test_a_short_cosine_warms_up_for_a_tenth_of_its_steps():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    compile_model(model, settings("unet", decay="cosine", epochs=2, steps_per_epoch=50))
    for step, rate in ((5, 5e-4), (10, 1e-3)):
        model.optimizer.iterations.assign(step)
        assert float(model.optimizer.learning_rate) == pytest.approx(rate)


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
