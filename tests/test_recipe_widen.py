"""A U-net with twice the filters that does what a narrower one does."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.networks import MEAN, STD, TINY_UNET, clustering, log_mel, unet
from vocaltrack.config import UnetConfig
from vocaltrack.errors import UserError
from vocaltrack.jsonfiles import read_json, write_json
from vocaltrack.models import build_unet
from vocaltrack.runs import load_run, origin

WIDE = UnetConfig(2 * TINY_UNET["strided"].filters, style="strided", dropout=0.0)


@pytest.fixture
def recipe(shipped_recipe):
    return shipped_recipe("widen")


def narrow_unet(hdc=None):
    return unet(hdc=hdc, dropout=0.0)


@pytest.mark.parametrize("hybrid", [False, True])
def test_the_outputs_are_those_of_the_narrower_network(recipe, hybrid):
    hdc = clustering() if hybrid else None
    narrow = narrow_unet(hdc)
    wide = build_unet(WIDE, MEAN, STD, hdc)
    recipe.widen(narrow, wide)
    for training in (False, True):  # in training with the statistics of the batch
        expected = narrow(log_mel(), training=training).numpy()
        assert expected.std() > 0.01
        np.testing.assert_allclose(wide(log_mel(), training=training), expected, atol=1e-4)


def test_a_network_that_is_no_wider_is_refused(recipe):
    with pytest.raises(ValueError):
        recipe.widen(narrow_unet(), narrow_unet())


def test_the_twins_learn_apart(recipe):
    wide = build_unet(WIDE, MEAN, STD)
    recipe.widen(narrow_unet(), wide)
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


def widen_run(recipe, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["widen.py", *map(str, words)])
    recipe.main()


@pytest.mark.parametrize("name", ["unet", "uhnet"])
def test_a_run_of_it(recipe, monkeypatch, runs, tmp_path, name):
    begin = shutil.copytree(runs / name, tmp_path / "narrow")
    description = read_json(begin / "run.json", "the run")
    description |= {"heard": ["x/y"], "validated": ["x/z"]}
    write_json(begin / "run.json", description)
    widen_run(recipe, monkeypatch, begin, "--run", tmp_path / "wide")
    (narrow, before), (wide, after) = (load_run(run) for run in (begin, tmp_path / "wide"))
    assert after["network"]["filters"] == 2 * before["network"]["filters"]
    assert after["songs"] == before["songs"] and after["features"] == before["features"]
    assert after["heard"] == ["x/y"] and after["validated"] == ["x/z"]
    assert after["started_from"] == {"initial": origin(begin)}
    assert wide.name == name
    assert wide.get_layer("down0").kernel.shape[-1] == after["network"]["filters"]
    expected = narrow(log_mel(), training=False)
    np.testing.assert_allclose(wide(log_mel(), training=False), expected, atol=1e-5)
    with pytest.raises(UserError, match="wide is there already; give another folder"):
        widen_run(recipe, monkeypatch, begin, "--run", tmp_path / "wide")


def test_a_unet_of_the_papers_style_is_refused(recipe, monkeypatch, runs, tmp_path):
    paper = shutil.copytree(runs / "unet", tmp_path / "paper")
    description = read_json(paper / "run.json", "the run")
    description["network"]["style"] = "double"
    write_json(paper / "run.json", description)
    with pytest.raises(UserError, match="paper is no strided U-net"):
        widen_run(recipe, monkeypatch, paper, "--run", tmp_path / "wide")
    assert not (tmp_path / "wide").exists()
