"""From a SavedModel back to a network that can be trained on."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.paths import REPOSITORY
from vocaltrack.augmentation import rms
from vocaltrack.config import ClusteringConfig, FeatureConfig, TrainingConfig, UnetConfig
from vocaltrack.errors import UserError
from vocaltrack.export import export
from vocaltrack.models import build_clustering, build_unet, vocals_mask
from vocaltrack.records import Manifest
from vocaltrack.runs import describe_run, load_run
from vocaltrack.savedmodel import load
from vocaltrack.silence import as_heard

MEAN, STD = np.linspace(-20.0, -50.0, 128), np.linspace(10.0, 20.0, 128)
CONFIG = UnetConfig(filters=2, style="strided")


@pytest.fixture
def recipe(shipped_recipe):
    return shipped_recipe("unfold")


@pytest.fixture
def average(shipped_recipe):
    return shipped_recipe("average")


def two_runs(folder):
    """The runs earlier and later in a folder; the last weights of both."""
    weights = []
    for seed, name in enumerate(("earlier", "later")):
        songs = {"train": [f"{name}/a"], "valid": [f"{name}/b"]}
        manifest = Manifest(FeatureConfig(), (), (), {}, songs, {}, 0)
        keras.utils.set_random_seed(seed)
        model = build_unet(CONFIG, MEAN, STD)
        description = describe_run(TrainingConfig("unet"), CONFIG, manifest, MEAN, STD, {})
        description |= {"heard": [f"{name}/c"], "validated": [f"{name}/d"]}  # by earlier ones
        (folder / name).mkdir()
        (folder / name / "run.json").write_text(json.dumps(description))
        (folder / name / "log.csv").write_text("epoch\n")
        model.save(folder / name / "best.keras")
        model.set_weights([w + 1 for w in model.get_weights()])  # the last, not the best
        model.save_weights(folder / name / "newest.weights.h5")
        weights.append(model.get_weights())
    return weights


@pytest.mark.parametrize("share", [0.5, 0.75])
def test_the_mean_of_two_runs(average, monkeypatch, tmp_path, share):
    weights = two_runs(tmp_path)
    words = [str(tmp_path / name) for name in ("earlier", "later")]
    options = [] if share == 0.5 else ["--share", str(share)]
    monkeypatch.setattr(
        "sys.argv", ["average.py", *words, *options, "--run", str(tmp_path / "mean")]
    )
    average.main()
    for last in (False, True):
        mean, description = load_run(tmp_path / "mean", last=last)
        for found, one, other in zip(mean.get_weights(), *weights, strict=True):
            np.testing.assert_allclose(found, one + share * (other - one), atol=1e-6)
    assert description["averaged_with"] == words[0] and description["share"] == share
    assert description["heard"] == ["earlier/a", "earlier/c", "later/a", "later/c"]
    assert description["validated"] == ["earlier/d", "later/d"]
    assert description["norms_of"] is None
    assert (tmp_path / "mean" / "log.csv").read_text() == "epoch\n"  # for the card's curve
    average.main()  # the same again, as when the recipe goes on
    monkeypatch.setattr("sys.argv", ["average.py", *words, "--run", str(tmp_path / "earlier")])
    with pytest.raises(UserError, match="earlier is no run of these two"):
        average.main()
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.wav").write_bytes(b"mine")
    monkeypatch.setattr("sys.argv", ["average.py", *words, "--run", str(tmp_path / "music")])
    with pytest.raises(UserError, match="music is no run of these two"):
        average.main()
    assert [path.name for path in (tmp_path / "music").iterdir()] == ["song.wav"]
    with pytest.raises(UserError, match="different sizes"):
        average.average(build_unet(dataclasses.replace(CONFIG, filters=4), MEAN, STD), mean)


@pytest.mark.parametrize("share", ["0", "1"])
def test_a_mean_of_one_run_alone_is_refused(average, monkeypatch, tmp_path, share):
    words = ["average.py", "a", "b", "--share", share, "--run", str(tmp_path / "mean")]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(UserError, match="--share must lie between 0 and 1"):
        average.main()


def test_the_norms_of_a_mean_are_not_measured_on_other_features(average, monkeypatch, tmp_path):
    two_runs(tmp_path)
    empty_records(tmp_path / "records", FeatureConfig(n_fft=512))
    monkeypatch.setattr("vocaltrack.pipeline.batches", lambda *a, **k: gaps())
    folders = [str(tmp_path / name) for name in ("earlier", "later", "records", "mean")]
    words = ["average.py", *folders[:2], "--records", folders[2], "--run", folders[3]]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(UserError, match="n_fft is 512 in the records but 1024 in .*later"):
        average.main()
    assert not (tmp_path / "mean").exists()


def test_a_mean_tells_which_songs_chose_a_network_that_was_not_trained_there(
    average, monkeypatch, tmp_path
):
    """As widen.py leaves it: the best weights of another run, and no last ones."""
    two_runs(tmp_path)
    (tmp_path / "earlier" / "newest.weights.h5").unlink()
    words = [str(tmp_path / name) for name in ("earlier", "later", "mean")]
    monkeypatch.setattr("sys.argv", ["average.py", *words[:2], "--run", words[2]])
    average.main()
    _, description = load_run(tmp_path / "mean")
    assert description["validated"] == ["earlier/b", "earlier/d", "later/d"]


def test_the_mean_of_a_unet_and_the_uhnet_made_of_it(average):
    keras.utils.set_random_seed(0)
    hdc = build_clustering(ClusteringConfig(units=4, layers=1), MEAN, STD, mask_head=True)
    unet, uhnet = build_unet(CONFIG, MEAN, STD), build_unet(CONFIG, MEAN, STD, hdc)
    first = uhnet.get_layer("down0").get_weights()[0]
    other = uhnet.get_layer("up0").get_weights()[0]
    average.average(unet, uhnet, share=0.75)
    kernel = unet.get_layer("down0").get_weights()[0]
    mean = uhnet.get_layer("down0").get_weights()[0]
    np.testing.assert_allclose(mean[:, :, 1:], 0.75 * first[:, :, 1:], atol=1e-6)
    np.testing.assert_allclose(mean[:, :, :1], 0.25 * kernel + 0.75 * first[:, :, :1], atol=1e-6)
    expected = 0.25 * unet.get_layer("up0").get_weights()[0] + 0.75 * other
    np.testing.assert_allclose(uhnet.get_layer("up0").get_weights()[0], expected, atol=1e-6)
    for weight, expected in zip(uhnet.get_layer("hdc").get_weights(), hdc.get_weights()):
        np.testing.assert_allclose(weight, expected, atol=1e-6)


def test_a_unet_and_a_uhnet_of_other_filters_have_no_mean(average):
    hdc = build_clustering(ClusteringConfig(units=4, layers=1), MEAN, STD, mask_head=True)
    other = build_unet(dataclasses.replace(CONFIG, filters=4), MEAN, STD, hdc)
    with pytest.raises(UserError, match="different sizes"):
        average.average(build_unet(CONFIG, MEAN, STD), other)


def test_the_norms_of_a_mean_get_its_own_statistics(average, trained):
    chunks = np.random.default_rng(0).uniform(-60, 10, (6, 128, 128)).astype(np.float32)
    average.measure_norms(trained, [chunks[:3], chunks[3:]])
    norm = trained.get_layer("down0_norm")
    convolved = keras.Model(trained.inputs, trained.get_layer("down0").output)
    halves = [convolved.predict(half, verbose=0) for half in (chunks[:3], chunks[3:])]
    for statistic, function in ((norm.moving_mean, np.mean), (norm.moving_variance, np.var)):
        expected = np.mean([function(half, axis=(0, 1, 2)) for half in halves], axis=0)
        np.testing.assert_allclose(statistic, expected, rtol=1e-3, atol=1e-4)
    assert norm.momentum == 0.99


def gaps(chunks=3):
    """Batches as records give them: chunks of which the second half is silent."""
    mixture = np.where(np.arange(128)[:, np.newaxis] < 64, log_mel(chunks), -70.0)
    return tf.data.Dataset.from_tensors({"mixture": mixture.astype(np.float32)})


def test_the_norms_of_a_mean_are_measured_on_what_networks_hear(average, monkeypatch, tmp_path):
    """In training, as when served, silence is filled."""
    two_runs(tmp_path)
    empty_records(tmp_path / "records", FeatureConfig())
    monkeypatch.setattr("vocaltrack.pipeline.batches", lambda *a, **k: gaps())
    folders = [str(tmp_path / name) for name in ("earlier", "later", "records", "mean")]
    words = ["average.py", *folders[:2], "--records", folders[2], "--run", folders[3]]
    monkeypatch.setattr("sys.argv", words)
    average.main()
    mean, description = load_run(tmp_path / "mean", last=True)
    assert description["norms_of"] == folders[2]
    assert_norm_fits(mean, gaps())


def assert_norm_fits(model, batches):
    """The first norm's statistics are those of chunks whose silence is filled, which here are
    far from those of the chunks themselves."""
    norm = model.get_layer("down0_norm")
    raw = next(iter(batches))["mixture"]
    convolved = keras.Model(model.input, norm.input)
    expected, other = (convolved(x).numpy() for x in (as_heard(raw, FeatureConfig()), raw))
    np.testing.assert_allclose(norm.moving_mean, expected.mean((0, 1, 2)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(norm.moving_variance, expected.var((0, 1, 2)), rtol=1e-2)
    assert np.abs(norm.moving_mean - other.mean((0, 1, 2))).max() > 0.05


@pytest.fixture
def trained():
    """A U-net whose norms and biases are not the initial ones."""
    keras.utils.set_random_seed(0)
    model = build_unet(CONFIG, MEAN, STD)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def log_mel(chunks=3):
    return np.random.default_rng(1).normal(MEAN, STD, (chunks, 128, 128)).astype(np.float32)


def test_the_network_is_what_it_was_and_its_norms_fit_the_chunks(recipe, trained, tmp_path):
    export(trained, FeatureConfig(), tmp_path / "unet")
    weights, mean, std = recipe.served_weights(load(tmp_path / "unet"))
    np.testing.assert_allclose(mean, MEAN, rtol=1e-5)
    np.testing.assert_allclose(std, STD, rtol=1e-5)
    model = build_unet(CONFIG, mean, std)
    recipe.unfold(model, weights, log_mel())
    expected = trained(log_mel(), training=False).numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(model(log_mel(), training=False), expected, atol=1e-5)
    # The norm next to the input sees in training what it was given here.
    norm = model.get_layer("down0_norm")
    heard = keras.Model(model.input, norm.input)(log_mel()).numpy()
    np.testing.assert_allclose(norm.moving_mean, heard.mean((0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, heard.var((0, 1, 2)), rtol=1e-3)


@pytest.mark.parametrize(("factor", "grown"), [(0.02, True), (3.0, False), (0.0, False)])
def test_kernels_that_were_made_small_are_as_large_as_new_ones(
    recipe, trained, tmp_path, factor, grown
):
    """Those of residual layers are, which otherwise a training soon loses."""
    layer = trained.get_layer("down1")
    layer.kernel.assign(factor * layer.kernel)
    export(trained, FeatureConfig(), tmp_path / "unet")
    weights, mean, std = recipe.served_weights(load(tmp_path / "unet"))
    model = build_unet(CONFIG, mean, std)
    size = rms(model.get_layer("down1").kernel)
    (folded,) = weights["down1/kernel"]
    recipe.unfold(model, weights, log_mel())
    found = rms(model.get_layer("down1").kernel)
    assert found == pytest.approx(size if grown else rms(folded), rel=1e-5)
    expected = trained(log_mel(), training=False).numpy()
    np.testing.assert_allclose(model(log_mel(), training=False), expected, atol=1e-5)


def test_an_hdc_and_its_mask_head_are_what_they_were(recipe, tmp_path):
    config = ClusteringConfig(units=4, layers=2, embedding_size=3)
    hdc = build_clustering(config, MEAN, STD, mask_head=True)
    rng = np.random.default_rng(0)
    for weight in hdc.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    export(hdc, FeatureConfig(), tmp_path / "hdc")
    weights, mean, std = recipe.served_weights(load(tmp_path / "hdc"))
    model = build_clustering(config, mean, std, mask_head=True)
    recipe.unfold_clustering(model, weights)
    expected, found = (network(log_mel(), training=False) for network in (hdc, model))
    assert expected["masks"].numpy()[..., 0].std() > 0.05
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


def test_a_uhnet_and_the_hdc_inside_it_are_what_they_were(recipe, tmp_path):
    """Its SavedModel has no projection of the hdc any more, only what it did to the masks."""
    config = ClusteringConfig(units=4, layers=2, embedding_size=3)
    hdc = build_clustering(config, MEAN, STD, mask_head=True)
    uhnet = build_unet(CONFIG, MEAN, STD, hdc)
    rng = np.random.default_rng(0)
    for weight in uhnet.get_layer("hdc").weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    export(uhnet, FeatureConfig(), tmp_path / "uhnet")
    weights, mean, std = recipe.served_weights(load(tmp_path / "uhnet"))
    np.testing.assert_allclose(mean, MEAN, rtol=1e-5)
    inner = build_clustering(config, mean, std, mask_head=True)
    recipe.unfold_clustering(inner, weights)
    expected = uhnet.get_layer("hdc")(log_mel(), training=False)["masks"].numpy()
    assert expected[..., 0].std() > 0.05
    np.testing.assert_allclose(inner(log_mel(), training=False)["masks"], expected, atol=1e-4)
    model = build_unet(CONFIG, mean, std, inner)
    recipe.unfold(model, weights, log_mel())
    expected = uhnet(log_mel(), training=False).numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(model(log_mel(), training=False), expected, atol=1e-4)


def empty_records(folder, features):
    folder.mkdir()
    Manifest(features, tuple(MEAN), tuple(STD), {}, {"train": []}, {}, 0).save(folder)
    return folder


@pytest.mark.parametrize("filters", [16, 2])
def test_a_saved_model_becomes_a_run_that_hears_the_same(
    recipe, trained, monkeypatch, tmp_path, filters
):
    saved_model = REPOSITORY / "saved_models" / "unet"
    if filters == CONFIG.filters:
        saved_model = tmp_path / "unet"
        export(trained, FeatureConfig(), saved_model, ["a/b"], ["c/d"])
    folder = empty_records(tmp_path / "records", FeatureConfig())
    monkeypatch.setattr(recipe, "batches", lambda *a, **k: gaps())
    words = [str(saved_model), "--records", str(folder), "--run", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", ["unfold.py", *words])
    recipe.main()
    model, description = load_run(tmp_path / "run")
    served = load(saved_model)
    assert description["songs"]["train"] == list(served.heard)
    assert description["validated"] == list(served.validated) != []
    assert description["network"]["filters"] == filters
    chunks = next(iter(gaps()))["mixture"]
    expected = served.masks(chunks).numpy()
    assert expected.std() > 0.01
    found = vocals_mask(model, as_heard(chunks, FeatureConfig()))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert_norm_fits(model, gaps())


@pytest.mark.parametrize(
    ("model", "told"), [("dc", "unfold the hdc"), ("unet", "does not say which songs it heard")]
)
def test_models_of_which_no_run_can_be_made_are_told(
    recipe, trained, monkeypatch, tmp_path, model, told
):
    saved_model = REPOSITORY / "saved_models" / model
    if model == "unet":
        saved_model = tmp_path / "unet"
        export(trained, FeatureConfig(), saved_model)
    words = [str(saved_model), "--records", "records", "--run", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", ["unfold.py", *words])
    with pytest.raises(UserError, match=told):
        recipe.main()


def test_records_of_other_features_are_refused(recipe, monkeypatch, tmp_path):
    """The run would be taken for one of their features, and so would its SavedModel."""
    folder = empty_records(tmp_path / "records", FeatureConfig(n_fft=512))
    words = [str(REPOSITORY / "saved_models" / "hdc"), "--records", str(folder), "--run"]
    monkeypatch.setattr("sys.argv", ["unfold.py", *words, str(tmp_path / "run")])
    with pytest.raises(UserError, match="n_fft is 1024 in .*hdc but 512 in the records"):
        recipe.main()
    assert not (tmp_path / "run").exists()


def test_records_that_are_corrupt_are_refused(recipe, monkeypatch, tmp_path):
    folder = empty_records(tmp_path / "records", FeatureConfig())

    def corrupt(*arguments, **options):
        raise tf.errors.DataLossError(None, None, "corrupted record at 12")

    monkeypatch.setattr(recipe, "batches", corrupt)
    words = [str(REPOSITORY / "saved_models" / "unet"), "--records", str(folder), "--run"]
    monkeypatch.setattr("sys.argv", ["unfold.py", *words, str(tmp_path / "run")])
    with pytest.raises(UserError, match="records is corrupt; prepare the records again"):
        recipe.main()
    assert not (tmp_path / "run").exists()


def test_networks_of_another_size_are_refused(recipe, trained, monkeypatch, tmp_path):
    config = ClusteringConfig(units=4, layers=2, embedding_size=3)
    hdc = build_clustering(config, MEAN, STD, mask_head=True)
    export(hdc, FeatureConfig(), tmp_path / "hdc", ["a/b"])
    folder = empty_records(tmp_path / "records", FeatureConfig())
    words = [str(tmp_path / "hdc"), "--records", str(folder), "--run", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", ["unfold.py", *words])
    with pytest.raises(UserError, match="hdc is not of the compact preset's size"):
        recipe.main()
    papers = build_unet(UnetConfig(filters=2), MEAN, STD)
    export(papers, FeatureConfig(), tmp_path / "papers", ["a/b"])
    monkeypatch.setattr("sys.argv", ["unfold.py", str(tmp_path / "papers"), *words[1:]])
    with pytest.raises(UserError, match="papers is not of the compact preset's size"):
        recipe.main()
    export(trained, FeatureConfig(), tmp_path / "unet")
    weights, mean, std = recipe.served_weights(load(tmp_path / "unet"))
    for other in (dataclasses.replace(CONFIG, filters=4), UnetConfig(filters=2)):
        with pytest.raises((KeyError, ValueError)):
            recipe.unfold(build_unet(other, mean, std), weights, log_mel())
