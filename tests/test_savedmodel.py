"""Exported networks: the contract, the numbers, and no need of vocaltrack."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from vocaltrack.config import ClusteringConfig, FeatureConfig, UnetConfig
from vocaltrack.errors import UserError
from vocaltrack.models import build_clustering, build_unet, vocals_mask
from vocaltrack.savedmodel import export, load, separate_waveform

FEATURES = FeatureConfig()
MEAN, STD = [-20.0] * 128, [12.0] * 128


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """{name: (model, folder)} of tiny networks with random weights."""
    tf.keras.utils.set_random_seed(3)
    small = ClusteringConfig(units=8, layers=1)
    hdc = build_clustering(small, MEAN, STD, mask_head=True)
    unet = UnetConfig(filters=4, style="strided")
    models = {
        "dc": build_clustering(small, MEAN, STD),
        "hdc": hdc,
        "unet": build_unet(unet, MEAN, STD),
        "uhnet": build_unet(unet, MEAN, STD, hdc),
    }
    folder = tmp_path_factory.mktemp("saved_models")
    for name, model in models.items():
        export(model, FEATURES, folder / name)
    return {name: (model, folder / name) for name, model in models.items()}


@pytest.mark.parametrize(
    ("name", "signatures"),
    [
        ("dc", {"embeddings"}),
        ("hdc", {"serving_default", "masks", "embeddings"}),
        ("unet", {"serving_default", "masks"}),
        ("uhnet", {"serving_default", "masks"}),
    ],
)
def test_signatures_are_the_contracts(exported, name, signatures):
    loaded = tf.saved_model.load(str(exported[name][1]))
    assert set(loaded.signatures) == signatures
    if "serving_default" in signatures:
        outputs = loaded.signatures["serving_default"].structured_outputs
        assert set(outputs) == {"vocals", "accompaniment"}


def test_contract_travels_inside(exported):
    for name, (_, folder) in exported.items():
        contract = json.loads((folder / "assets" / "contract.json").read_text())
        assert contract["contract"] == 1
        assert contract["model"] == name
        assert contract["features"] == FEATURES.to_dict()


def test_no_cudnn_operation_in_the_file(exported):
    for _, folder in exported.values():
        assert b"CudnnRNN" not in (folder / "saved_model.pb").read_bytes()


@pytest.mark.parametrize("name", ["hdc", "unet", "uhnet"])
def test_masks_equal_the_python_model(exported, name):
    model, folder = exported[name]
    log_mel = np.random.default_rng(0).normal(-20, 15, (3, 128, 128)).astype(np.float32)
    served = tf.saved_model.load(str(folder)).signatures["masks"](log_mel=tf.constant(log_mel))
    expected = vocals_mask(model, log_mel)
    np.testing.assert_allclose(served["vocals_mask"], expected, atol=1e-4)
    np.testing.assert_allclose(served["accompaniment_mask"], 1 - expected, atol=1e-4)


def test_embeddings_equal_the_python_model(exported):
    log_mel = np.random.default_rng(0).normal(-20, 15, (2, 128, 128)).astype(np.float32)
    for name in ("dc", "hdc"):
        model, folder = exported[name]
        served = load(folder).embeddings(tf.constant(log_mel))
        assert served.shape == (2, 128, 128, 20)
        np.testing.assert_allclose(served, model(log_mel)["embeddings"], atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 127, 1024, 16000, 40001])
def test_serving_default_takes_any_length(exported, samples):
    model, folder = exported["unet"]
    waveform = np.random.default_rng(1).normal(0, 0.1, (2, samples)).astype(np.float32)
    outputs = tf.saved_model.load(str(folder)).signatures["serving_default"](
        waveform=tf.constant(waveform)
    )
    vocals, accompaniment = separate_waveform(
        tf.constant(waveform), lambda chunks: vocals_mask(model, chunks), FEATURES
    )
    assert outputs["vocals"].shape == (2, samples)
    np.testing.assert_allclose(outputs["vocals"], vocals, atol=1e-4)
    np.testing.assert_allclose(outputs["accompaniment"], accompaniment, atol=1e-4)
    np.testing.assert_allclose(outputs["vocals"] + outputs["accompaniment"], waveform, atol=1e-6)


def test_serving_default_of_the_hybrid_equals_the_python_path(exported):
    model, folder = exported["hdc"]
    waveform = np.random.default_rng(4).normal(0, 0.1, (1, 30000)).astype(np.float32)
    served = tf.saved_model.load(str(folder)).signatures["serving_default"](
        waveform=tf.constant(waveform)
    )
    vocals, _ = separate_waveform(
        tf.constant(waveform), lambda chunks: vocals_mask(model, chunks), FEATURES
    )
    np.testing.assert_allclose(served["vocals"], vocals, atol=1e-4)


def test_a_cut_weights_file_is_refused(exported, tmp_path):
    shutil.copytree(exported["unet"][1], tmp_path / "unet")
    path = next((tmp_path / "unet" / "variables").glob("*.data*"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="no whole SavedModel"):
        load(tmp_path / "unet")


@pytest.mark.parametrize("text", ["[]", "{", '{"contract": 1}', '{"contract": 1, "model": "x"}'])
def test_a_damaged_contract_is_refused(exported, tmp_path, text):
    shutil.copytree(exported["unet"][1], tmp_path / "unet")
    (tmp_path / "unet" / "assets" / "contract.json").write_text(text)
    with pytest.raises(UserError):
        load(tmp_path / "unet")


def test_loads_where_there_is_only_tensorflow(exported, tmp_path):
    """In a process in which vocaltrack cannot be imported; it yields no Keras objects."""
    model, folder = exported["uhnet"]
    waveform = np.random.default_rng(2).normal(0, 0.1, (1, 20000)).astype(np.float32)
    np.save(tmp_path / "in.npy", waveform)
    script = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("vocaltrack", "librosa"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np, tensorflow as tf
model = tf.saved_model.load({str(folder)!r})
out = model.signatures["serving_default"](waveform=tf.constant(np.load("in.npy")))
np.save("out.npy", out["vocals"].numpy())
assert "keras" not in type(model).__module__ + type(model.model).__module__
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    expected, _ = separate_waveform(
        tf.constant(waveform), lambda chunks: vocals_mask(model, chunks), FEATURES
    )
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-4)


def test_a_half_copied_model_is_refused(exported, tmp_path):
    shutil.copytree(exported["unet"][1], tmp_path / "unet")
    (tmp_path / "unet" / "saved_model.pb").unlink()
    with pytest.raises(UserError, match="no whole SavedModel"):
        load(tmp_path / "unet")


def test_another_contract_is_refused(exported, tmp_path):
    shutil.copytree(exported["unet"][1], tmp_path / "unet")
    path = tmp_path / "unet" / "assets" / "contract.json"
    path.write_text(path.read_text().replace('"contract": 1', '"contract": 99'))
    with pytest.raises(UserError, match="contract 99"):
        load(tmp_path / "unet")


def test_export_replaces_the_old_model(exported, tmp_path):
    model, _ = exported["dc"]
    export(model, FEATURES, tmp_path / "model")
    (tmp_path / "model" / "stray.txt").write_text("old")
    export(model, FEATURES, tmp_path / "model")
    assert not (tmp_path / "model" / "stray.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
