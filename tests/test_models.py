"""The networks: shapes, sizes, the defects of the paper's code, and that they learn."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.networks import (
    MEAN,
    STD,
    STYLES,
    TINY_CLUSTERING,
    TINY_UNET,
    assert_same_outputs,
    built,
    clustering,
    log_mel,
    outputs,
    trained_a_step,
    unet,
)
from tests.paths import REPOSITORY
from vocaltrack.config import PRESETS, ClusteringConfig, UnetConfig
from vocaltrack.errors import UserError
from vocaltrack.losses import DeepClusteringLoss
from vocaltrack.models import build_clustering, build_unet, normalised_input, vocals_mask


def test_an_unknown_style_is_refused_by_name():
    with pytest.raises(UserError, match="no style 'round'; choose one of double, strided"):
        UnetConfig(style="round")


@pytest.mark.parametrize(
    ("style", "slopes", "dropped_at"), (("strided", [0.2] * 5, [16, 32]), ("double", [], [16, 8]))
)
def test_slopes_and_dropouts_stand_where_they_belong(style, slopes, dropped_at):
    """Jansson's leaky encoder, and dropout in the deepest levels alone."""
    model = unet(style)
    found = [x.negative_slope for x in model.layers if isinstance(x, layers.LeakyReLU)]
    leaky = [float(slope) for slope in found if slope]
    assert leaky == pytest.approx(slopes)
    frames = [x.input.shape[1] for x in model.layers if isinstance(x, layers.Dropout)]
    assert frames == dropped_at


def test_the_first_lever_is_the_compact_unet(monkeypatch):
    """Its parts are exchangeable in a copy, which must not stay behind."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import networks

    model = build_unet(dataclasses.replace(PRESETS["compact"][1], dropout=0.1), MEAN, STD)
    inputs, x = normalised_input(MEAN, STD)
    logits = networks.unet(layers.Reshape((*x.shape[1:], 1))(x))
    copy = keras.Model(inputs, layers.Activation("sigmoid")(logits))
    rng = np.random.default_rng(0)
    copy.set_weights([w + rng.uniform(0.0, 0.1, w.shape) for w in model.get_weights()])
    model.set_weights(copy.get_weights())
    assert_same_outputs(model, copy)
    dropouts = [
        [(x.rate, x.input.shape) for x in network.layers if isinstance(x, layers.Dropout)]
        for network in (model, copy)
    ]
    assert dropouts[0] == dropouts[1] != []


def test_clustering_outputs():
    found = outputs(built("dc"))
    assert list(found) == ["embeddings"]
    assert found["embeddings"].shape == (2, 128, 128, 3)
    assert found["embeddings"].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found["embeddings"], axis=-1), 1.0, atol=1e-5)


def test_hybrid_outputs():
    found = outputs(built("hdc"))
    assert sorted(found) == ["embeddings", "masks"]
    assert found["embeddings"].shape == (2, 128, 128, 3)
    assert found["masks"].shape == (2, 128, 128, 2)
    np.testing.assert_allclose(np.linalg.norm(found["embeddings"], axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(found["masks"].sum(axis=-1), 1.0, atol=1e-6)
    assert found["masks"].min() >= 0.0 and found["masks"].std() > 0.01


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("hybrid", (False, True))
def test_unet_outputs(style, hybrid):
    model = unet(style, built("hdc") if hybrid else None)
    mask = outputs(model)["mask"]
    assert model.name == ("uhnet" if hybrid else "unet")
    assert mask.shape == (2, 128, 128, 1)
    assert mask.dtype == np.float32
    assert 0.0 <= mask.min() < mask.max() <= 1.0


def test_the_mask_head_hears_the_projection_before_its_tanh():
    """As in the original code: not the embeddings."""
    hdc = built("hdc")
    dropout = hdc.get_layer("mask_head").input._keras_history.operation
    assert isinstance(dropout, layers.Dropout)
    assert dropout.input is hdc.get_layer("projection").output


def test_the_embeddings_are_the_projections_tanh_at_unit_length():
    model = built("dc")
    projection = keras.Model(model.input, model.get_layer("projection").output)(log_mel())
    vectors = np.tanh(projection).reshape(2, 128, 128, 3)
    expected = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    np.testing.assert_allclose(outputs(model)["embeddings"], expected, atol=1e-5)


def test_values_are_dropped_after_each_recurrent_layer_and_before_the_mask_head():
    config = ClusteringConfig(units=2, layers=3, embedding_size=2, dropout=0.3)
    model = build_clustering(config, MEAN, STD, mask_head=True)
    dropouts = [x for x in model.layers if isinstance(x, layers.Dropout)]
    names = [x.input._keras_history.operation.name for x in dropouts]
    assert names == ["bi_gru_1", "bi_gru_2", "bi_gru_3", "projection"]
    assert [x.rate for x in dropouts] == [0.3] * 4


@pytest.mark.parametrize("name", ("hdc", "unet"))
def test_vocals_mask_is_the_first_channel(name):
    model = built(name)
    expected = outputs(model)["masks" if name == "hdc" else "mask"][..., 0]
    np.testing.assert_allclose(vocals_mask(model, log_mel()), expected, atol=1e-6)


def test_half_precision_networks_answer_in_float32():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        hdc = clustering()
        model = unet(hdc=hdc)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("down0").compute_dtype == "float16"
    found = {**outputs(hdc), **outputs(model)}
    assert {value.dtype for value in found.values()} == {np.dtype("float32")}
    np.testing.assert_allclose(np.linalg.norm(found["embeddings"], axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(found["masks"].sum(axis=-1), 1.0, atol=1e-6)


PARAMETERS = {
    # The original's are 17.97 M, 18.63 M and 14.79 M.
    "paper": {"dc": 17_970_560, "hdc": 18_626_176, "unet": 14_791_745, "uhnet": 33_419_073},
    "compact": {"dc": 1_745_408, "hdc": 2_401_024, "unet": 3_386_186, "uhnet": 5_788_010},
}


@pytest.mark.parametrize("name", PRESETS)
def test_numbers_of_parameters(name):
    clustering_config, unet_config = PRESETS[name]
    hdc = build_clustering(clustering_config, MEAN, STD, mask_head=True)
    models = (
        build_clustering(clustering_config, MEAN, STD),
        hdc,
        build_unet(unet_config, MEAN, STD),
        build_unet(unet_config, MEAN, STD, hdc),
    )
    assert {model.name: model.count_params() for model in models} == PARAMETERS[name]


def test_twice_the_filters_are_four_times_the_parameters():
    wide = dataclasses.replace(PRESETS["compact"][1], filters=32)
    assert build_unet(wide, MEAN, STD).count_params() == 13_503_098


@pytest.mark.parametrize(
    ("style", "down"), (("double", layers.MaxPooling2D), ("strided", layers.Conv2D))
)
def test_four_poolings_and_four_upsamplings(style, down):
    """Defect 6 of the paper's code: two poolings, and skips cropped to fit."""
    model = unet(style)
    halvings = [x for x in model.layers if type(x) is down and tuple(x.strides) == (2, 2)]
    sizes = [tuple(x.output.shape[1:3]) for x in halvings]
    assert sizes == [(64, 64), (32, 32), (16, 16), (8, 8)]
    assert [x.input.shape[1] for x in halvings] == [128, 64, 32, 16]
    doublings = [x for x in model.layers if isinstance(x, layers.Conv2DTranspose)]
    sizes = [tuple(x.output.shape[1:3]) for x in doublings]
    assert sizes == [(16, 16), (32, 32), (64, 64), (128, 128)]
    joins = [x for x in model.layers if isinstance(x, layers.Concatenate)]
    shapes = [[tuple(tensor.shape[1:3]) for tensor in x.input] for x in joins]
    assert shapes == [[size, size] for size in sizes]
    resizers = (layers.ZeroPadding2D, layers.Cropping2D, layers.Resizing)
    assert not any(isinstance(x, resizers) for x in model.layers)


def test_the_low_levels_residual_layers_start_out_as_nothing_and_learn():
    model = build_unet(TINY_UNET["strided"], MEAN, STD)
    sums = [x for x in model.layers if isinstance(x, layers.Add)]
    assert [x.output.shape[1:3] for x in sums] == [(8, 8)] * 3 + [(16, 16)] * 2
    pairs = keras.Model(model.input, [[x.input[0], x.output] for x in sums])

    def added():
        return [np.abs(y - x).max() for x, y in pairs(log_mel(), training=False)]

    assert added() == [0.0] * 5
    trained_a_step(model)
    assert min(added()) > 1e-4


def test_the_published_widths():
    model = build_unet(UnetConfig(), MEAN, STD)
    convolutions = [x for x in model.layers if type(x) is layers.Conv2D]
    down = [64, 64, 128, 128, 256, 256, 512, 512, 512, 512]
    assert [x.filters for x in convolutions] == [*down, 256, 256, 128, 128, 64, 64, 64, 64, 1]
    assert {x.kernel_size for x in convolutions[:-1]} == {(3, 3)}


@pytest.mark.parametrize("mels", (8, 100, 127, 129))
def test_refuses_mel_bands_that_four_poolings_cannot_halve(mels):
    for style in STYLES:
        with pytest.raises(ValueError, match=f"{mels} mel bands; .* a multiple of 16"):
            build_unet(TINY_UNET[style], np.zeros(mels), np.ones(mels))


@pytest.mark.parametrize("mels", (16, 48, 80))
def test_takes_other_mel_bands(mels):
    mean, std = np.zeros(mels), np.ones(mels)
    hdc = build_clustering(TINY_CLUSTERING, mean, std, mask_head=True)
    for style in STYLES:
        model = build_unet(TINY_UNET[style], mean, std, hdc)
        assert model.output.shape == (None, 128, mels, 1)


def test_refuses_a_clustering_network_without_masks():
    with pytest.raises(ValueError, match="mask head"):
        unet(hdc=clustering(mask_head=False))


@pytest.mark.parametrize("name", ("dc", "hdc", "unet", "uhnet"))
def test_refuses_inputs_of_another_shape(name):
    model = built(name)
    for shape in ((1, 127, 128), (1, 128, 64), (128, 128), (1, 128, 128, 2)):
        with pytest.raises(ValueError, match="incompatible"):
            model(np.zeros(shape, np.float32))


@pytest.mark.parametrize("name", ("dc", "unet"))
def test_inputs_are_normalised_band_by_band(name):
    model = built(name)
    normalised = keras.Model(model.input, model.get_layer("normalise").output)(log_mel())
    np.testing.assert_allclose(normalised, (log_mel() - MEAN) / STD, atol=1e-4)


@pytest.mark.parametrize("name", ("hdc", "unet"))
def test_dropout_is_off_when_serving(name):
    model = clustering() if name == "hdc" else unet()
    first, again, loose = (outputs(model, training) for training in (False, False, True))
    for key, value in first.items():
        np.testing.assert_allclose(again[key], value, atol=1e-6)
        assert np.abs(loose[key] - value).max() > 1e-3


@pytest.mark.parametrize("name", ("dc", "hdc", "unet", "uhnet"))
def test_saved_and_loaded(name, tmp_path):
    model = built(name)
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    assert twin.name == name
    assert [x.name for x in twin.layers] == [x.name for x in model.layers]
    assert len(twin.trainable_weights) == len(model.trainable_weights)
    assert_same_outputs(model, twin)


@pytest.mark.parametrize("name", ("hdc", "uhnet"))
def test_config_round_trip(name):
    model = built(name)
    twin = keras.Model.from_config(model.get_config())
    twin.set_weights(model.get_weights())
    assert_same_outputs(model, twin)


def blobs():
    """(log_mel, mask) [2, 128, 128]: louder rectangles are the vocals."""
    mask = np.zeros((2, 128, 128), np.float32)
    mask[0, 20:70, 30:90] = 1.0
    mask[1, 60:, 50:70] = 1.0
    return (log_mel() + 40.0 * mask).astype(np.float32), mask


def test_a_unet_learns_one_batch_by_heart():
    keras.utils.set_random_seed(0)
    model = build_unet(UnetConfig(filters=4, style="strided", dropout=0.0), MEAN, STD)
    model.compile(keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    x, mask = blobs()
    losses = model.fit(x, mask[..., np.newaxis], epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 10


def test_a_clustering_network_learns_one_batch_by_heart(tmp_path):
    keras.utils.set_random_seed(0)
    config = ClusteringConfig(units=8, layers=1, embedding_size=4, dropout=0.0)
    model = build_clustering(config, MEAN, STD, mask_head=True)
    loss = {"embeddings": DeepClusteringLoss(), "masks": "binary_crossentropy"}
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    x, mask = blobs()
    targets = {
        "embeddings": tf.stack([mask, tf.ones_like(mask)], axis=-1),
        "masks": tf.stack([mask, 1 - mask], axis=-1),
    }
    history = model.fit(x, targets, epochs=25, verbose=0).history
    for name in ("embeddings_loss", "masks_loss"):
        assert history[name][-1] < history[name][0] / 10
    model.save(tmp_path / "hdc.keras")
    twin = keras.models.load_model(tmp_path / "hdc.keras")
    first, second = (m.test_on_batch(x, targets, return_dict=True) for m in (model, twin))
    assert second == pytest.approx(first, rel=1e-5)
