"""Networks as they are exported: the same functions, written for speed."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.networks import STYLES, TINY_CLUSTERING, clustering, log_mel, outputs, unet
from vocaltrack.config import FeatureConfig
from vocaltrack.models import vocals_mask
from vocaltrack.serving import as_served, served_clustering, served_unet
from vocaltrack.silence import as_heard


def as_trained(hdc):
    """A clustering network whose biases are not the initial zeros."""
    rng = np.random.default_rng(5)
    for weight in hdc.weights:
        if weight.name == "bias":
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return hdc


@pytest.mark.parametrize("mask_head", (False, True))
def test_a_served_clustering_network_is_the_same_function(mask_head):
    model = as_trained(clustering(mask_head))
    before = outputs(model)
    served = served_clustering(model)
    after = served(log_mel(), training=False)
    assert served.name == model.name and set(after) == set(before)
    for name, values in before.items():
        assert values[..., 0].std() > 0.01
        np.testing.assert_allclose(after[name], values, atol=1e-5)
    recurrent = (layers.Bidirectional, layers.GRU)
    assert not any(isinstance(layer, recurrent) for layer in served._flatten_layers())
    if mask_head:
        assert served.get_layer("mask_head").kernel.shape == (2 * TINY_CLUSTERING.units, 256)
    assert any(isinstance(layer, layers.Bidirectional) for layer in model.layers)


def test_a_network_is_served_where_keras_counts_its_names_anew():
    """As in the process that exports a run: it loads the network from a file."""
    keras.utils.clear_session()
    model = clustering()
    keras.utils.clear_session()
    assert as_served(model, FeatureConfig()).name == "hdc"


def test_a_network_is_served_with_silence_and_empty_bands_filled():
    model, chunks = as_trained(clustering()), log_mel()
    chunks[0, 100:] = chunks[1, :, 100:] = -70.0
    served = as_served(model, FeatureConfig())
    found = served(chunks, training=False)
    expected = model(as_heard(chunks, FeatureConfig()), training=False)
    unfilled = model(chunks, training=False)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5)
        for changed in np.abs(found[name] - unfilled[name]):
            assert changed.max() > 1e-3


def test_the_hybrid_is_served_over_a_served_hdc():
    model = unet(hdc=as_trained(clustering()))
    before = np.asarray(vocals_mask(model, log_mel()))
    served = served_unet(model)
    head = served.get_layer("hdc").get_layer("mask_head")
    assert head.kernel.shape == (2 * TINY_CLUSTERING.units, 256)
    assert np.abs(vocals_mask(served, log_mel()) - before).max() < 0.01 * before.std()


@pytest.mark.parametrize("hybrid", (False, True))
@pytest.mark.parametrize("style", STYLES)
def test_folded_batch_norms_are_the_same_function(style, hybrid):
    model = unet(style, clustering() if hybrid else None)
    before = np.asarray(vocals_mask(model, log_mel()))
    folded = served_unet(model)
    assert folded.name == model.name
    assert not any(isinstance(x, layers.BatchNormalization) for x in folded.layers)
    assert any(isinstance(x, layers.BatchNormalization) for x in model.layers)
    assert np.abs(vocals_mask(folded, log_mel()) - before).max() < 0.01 * before.std()
    np.testing.assert_array_equal(vocals_mask(model, log_mel()), before)
