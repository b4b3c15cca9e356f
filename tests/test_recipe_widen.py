"""A U-net with twice the filters that does what a narrower one does."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from vocaltrack.config import ClusteringConfig, FeatureConfig, TrainingConfig, UnetConfig
from vocaltrack.errors import UserError
from vocaltrack.models import build_clustering, build_unet
from vocaltrack.runs import describe_run, load_run

MEAN, STD = np.linspace(-20.0, -50.0, 128), np.linspace(10.0, 20.0, 128)
NARROW, WIDE = (UnetConfig(filters, style="strided", dropout=0.0) for filters in (2, 4))


@pytest.fixture
def recipe(shipped_recipe):
    return shipped_recipe("widen")


def log_mel():
    return np.random.default_rng(1).normal(MEAN, STD, (3, 128, 128)).astype(np.float32)


def trained(hdc=None):
    """A narrow network of which no part is silent, with norms and biases that are not the
    initial ones."""
    keras.utils.set_random_seed(0)
    model = build_unet(NARROW, MEAN, STD, hdc)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def hdc_of(name):
    config = ClusteringConfig(units=4, layers=1)
    return build_clustering(config, MEAN, STD, mask_head=True) if name == "uhnet" else None


@pytest.mark.parametrize("name", ["unet", "uhnet"])
def test_the_outputs_are_those_of_the_narrower_network(recipe, name):
    hdc = hdc_of(name)
    narrow = trained(hdc)
    wide = build_unet(WIDE, MEAN, STD, hdc)
    recipe.widen(narrow, wide)
    for training in (False, True):  # in training with the statistics of the batch
        expected = narrow(log_mel(), training=training).numpy()
        assert expected.std() > 0.01
        np.testing.assert_allclose(wide(log_mel(), training=training), expected, atol=1e-4)


def test_a_network_that_is_no_wider_is_refused(recipe):
    with pytest.raises(ValueError):
        recipe.widen(trained(), build_unet(NARROW, MEAN, STD))


def test_the_twins_learn_apart(recipe):
    wide = build_unet(WIDE, MEAN, STD)
    recipe.widen(trained(), wide)
    kernels = {layer.name: layer.kernel for layer in wide.layers if hasattr(layer, "kernel")}
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(wide(log_mel(), training=True) * log_mel()[..., np.newaxis])
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels.values()])
    for (name, kernel), gradient in zip(kernels.items(), gradients):
        if name.startswith("logits"):  # as many outputs as before
            continue
        made = 2 if name.startswith("up") else -1
        if name.endswith("_b2"):  # of each band, twice the channels
            gradient = tf.reshape(gradient, [kernel.shape[0], 128 >> int(name[3]), -1])
        one, other = tf.split(gradient, 2, axis=made)
        assert np.linalg.norm(one - other) > 0.05 * np.linalg.norm(gradient), name


def save_run(folder, config, hdc=None):
    model = build_unet(config, MEAN, STD, hdc)
    manifest = SimpleNamespace(features=FeatureConfig(), songs={"train": ["a/b"]})
    description = describe_run(TrainingConfig(model.name), config, manifest, MEAN, STD, {})
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(description))
    model.save(folder / "best.keras")
    return model


def widen_run(recipe, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["widen.py", *map(str, words)])
    recipe.main()


@pytest.mark.parametrize("name", ["unet", "uhnet"])
def test_a_run_of_it(recipe, monkeypatch, tmp_path, name):
    narrow = save_run(tmp_path / "narrow", NARROW, hdc_of(name))
    widen_run(recipe, monkeypatch, tmp_path / "narrow", "--run", tmp_path / "wide")
    wide, description = load_run(tmp_path / "wide")
    assert description["network"]["filters"] == 4
    assert description["songs"]["train"] == ["a/b"]
    assert description["started_from"] == {"initial": str(tmp_path / "narrow")}
    assert wide.name == name and wide.get_layer("down0").kernel.shape[-1] == 4
    expected = narrow(log_mel(), training=False)
    np.testing.assert_allclose(wide(log_mel(), training=False), expected, atol=1e-5)
    with pytest.raises(UserError, match="wide is there already; give another folder"):
        widen_run(recipe, monkeypatch, tmp_path / "narrow", "--run", tmp_path / "wide")


def test_a_unet_of_the_papers_style_is_refused(recipe, monkeypatch, tmp_path):
    save_run(tmp_path / "paper", UnetConfig(filters=2, style="double"))
    with pytest.raises(UserError, match="paper is no strided U-net"):
        widen_run(recipe, monkeypatch, tmp_path / "paper", "--run", tmp_path / "wide")
    assert not (tmp_path / "wide").exists()
