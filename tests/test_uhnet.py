"""The hybrid U-net: what it sees of its clustering network, and that this stays as it was."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.networks import (
    MEAN,
    STD,
    TINY_UNET,
    built,
    clustering,
    log_mel,
    outputs,
    trained_a_step,
    unet,
)
from vocaltrack.models import build_unet


def seen_by_the_unet(uhnet):
    return keras.Model(uhnet.input, uhnet.get_layer("log_mel_and_masks").output)


@pytest.mark.parametrize("training", (False, True))
def test_uhnet_sees_the_masks_unscrambled(training):
    """Defect 5: the original reshaped them, so that time, band and mask were mixed up.

    In training too they are those of the hdc without its dropout.
    """
    x, masks = log_mel(), outputs(built("hdc"))["masks"]
    channels = outputs(seen_by_the_unet(built("uhnet")), training)["mask"]
    assert channels.shape == (2, 128, 128, 3)
    np.testing.assert_allclose(channels[..., 0], (x - MEAN) / STD, atol=1e-4)
    np.testing.assert_allclose(channels[..., 1:], masks, atol=1e-6)
    assert np.abs(channels[..., 1] - masks.reshape(2, 2, 128, 128)[:, 0]).max() > 0.01
    assert np.abs(channels[..., 1] - masks[..., 1]).max() > 0.01


def test_the_clustering_network_inside_the_uhnet_is_frozen():
    model = unet(hdc=built("hdc"))
    hdc = model.get_layer("hdc")
    assert hdc.trainable_weights == [] and len(hdc.weights) > 0
    inner = {id(weight) for weight in hdc.weights}
    assert inner <= {id(weight) for weight in model.weights}
    assert not inner & {id(weight) for weight in model.trainable_weights}
    alone = build_unet(TINY_UNET["strided"], MEAN, STD)
    assert len(model.trainable_weights) == len(alone.trainable_weights)
    before, outside = hdc.get_weights(), model.get_layer("down0").get_weights()
    trained_a_step(model)
    for old, new in zip(before, hdc.get_weights()):
        np.testing.assert_array_equal(new, old)
    assert np.abs(model.get_layer("down0").get_weights()[0] - outside[0]).max() > 1e-3


def test_a_fine_tuned_uhnet_trains_its_clustering_network():
    model = unet(hdc=built("hdc"), fine_tuned=True)
    hdc = model.get_layer("hdc")
    learning = {id(weight) for weight in model.trainable_weights}
    assert {id(weight) for weight in hdc.trainable_weights} < learning
    named = [hdc.get_layer(name) for name in ("bi_gru_1", "projection", "mask_head")]
    before = [layer.get_weights()[0] for layer in named]
    trained_a_step(model)
    for layer, old in zip(named, before):
        assert np.abs(layer.get_weights()[0] - old).max() > 1e-3


def test_the_clustering_network_that_a_uhnet_is_made_from_stays_as_it_was():
    hdc = clustering()
    before, masks = hdc.get_weights(), outputs(hdc, training=True)["masks"]
    trained_a_step(unet(hdc=hdc, fine_tuned=True))
    unet(hdc=hdc)
    for old, new in zip(before, hdc.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    assert len(hdc.trainable_weights) == len(hdc.weights)
    assert np.abs(outputs(hdc, training=True)["masks"] - masks).max() > 1e-3  # dropout


@pytest.mark.parametrize("frozen_before", (False, True))
@pytest.mark.parametrize("fine_tuned", (False, True))
def test_dropout_in_the_clustering_network_is_for_training_alone(fine_tuned, frozen_before):
    """Also in that of a uhnet in which it had none, and learned nothing."""
    hdc = built("uhnet").get_layer("hdc") if frozen_before else built("hdc")
    masks = outputs(built("hdc"))["masks"]
    model = unet(hdc=hdc, clustering_dropout=0.3, fine_tuned=fine_tuned)
    inside = model.get_layer("hdc")
    assert len(inside.trainable_weights) == (len(inside.weights) if fine_tuned else 0)
    seen = seen_by_the_unet(model)
    np.testing.assert_allclose(outputs(seen)["mask"][..., 1:], masks, atol=1e-6)
    assert np.abs(outputs(seen, training=True)["mask"][..., 1:] - masks).max() > 1e-3


def test_a_loaded_uhnet_is_as_frozen_as_before(tmp_path):
    built("uhnet").save(tmp_path / "uhnet.keras")
    model = keras.models.load_model(tmp_path / "uhnet.keras")
    hdc = model.get_layer("hdc")
    assert hdc.trainable_weights == []
    assert [x.rate for x in hdc.layers if isinstance(x, layers.Dropout)] == [0.0, 0.0]
    channels = outputs(seen_by_the_unet(model), training=True)["mask"]
    np.testing.assert_allclose(channels[..., 1:], outputs(built("hdc"))["masks"], atol=1e-6)
