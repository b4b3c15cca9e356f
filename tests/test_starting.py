"""Networks that start from the weights of others."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.networks import MEAN, STD, STYLES, assert_same_outputs, built, clustering, outputs, unet
from vocaltrack.config import ClusteringConfig, FeatureConfig, UnetConfig
from vocaltrack.errors import UserError
from vocaltrack.models import build_clustering, build_unet, copy_weights
from vocaltrack.records import Manifest
from vocaltrack.starting import other_runs


@pytest.mark.parametrize("style", STYLES)
def test_a_uhnet_starts_out_as_the_unet_it_is_made_from(style):
    source = unet(style, seed=1)
    target = unet(style, built("hdc"), seed=2)
    assert np.abs(outputs(source)["mask"] - outputs(target)["mask"]).max() > 0.01
    copy_weights(source, target)
    assert_same_outputs(source, target)
    kernel = target.get_layer("down0" if style == "strided" else "down0_a").kernel.numpy()
    assert kernel.shape[2] == 3
    np.testing.assert_array_equal(kernel[:, :, 1:], 0.0)


def test_an_hdc_can_start_from_a_dc():
    source, target = clustering(mask_head=False, seed=1), clustering(seed=2)
    head = target.get_layer("mask_head").get_weights()
    copy_weights(source, target)
    vectors = [outputs(model)["embeddings"] for model in (source, target)]
    np.testing.assert_allclose(*vectors, atol=1e-6)
    for old, new in zip(head, target.get_layer("mask_head").get_weights()):
        np.testing.assert_array_equal(new, old)


def test_an_hdc_starts_out_as_the_hdc_it_is_made_from():
    source, target = clustering(seed=1), clustering(seed=2)
    copy_weights(source, target)
    assert_same_outputs(source, target)


def test_refuses_to_start_from_a_larger_network():
    source = build_unet(UnetConfig(filters=4, style="strided"), MEAN, STD)
    with pytest.raises(ValueError, match="shape"):
        copy_weights(source, unet())


@pytest.mark.parametrize("hybrid", (False, True))
def test_refuses_to_start_from_a_smaller_network(hybrid):
    hdc = built("hdc") if hybrid else None
    target = build_unet(UnetConfig(filters=4, style="strided"), MEAN, STD, hdc)
    with pytest.raises(ValueError, match="shape"):
        copy_weights(unet(), target)


def test_refuses_to_start_from_a_smaller_clustering_network():
    larger = ClusteringConfig(units=5, layers=1, embedding_size=3)
    with pytest.raises(ValueError, match="shape"):
        copy_weights(built("dc"), build_clustering(larger, MEAN, STD))


def test_refuses_to_leave_a_mask_head_out():
    with pytest.raises(ValueError, match="only one of the networks has the layers mask_head"):
        copy_weights(clustering(), clustering(mask_head=False))


def test_refuses_to_start_from_a_network_of_more_or_fewer_layers():
    """Whose other layers would stay random, or be lost."""
    shallow, deep = (
        build_clustering(ClusteringConfig(units=2, layers=n, embedding_size=2), MEAN, STD)
        for n in (1, 2)
    )
    for source, target in ((shallow, deep), (deep, shallow)):
        before = target.get_weights()
        with pytest.raises(ValueError, match="only one of the networks has the layers bi_gru_2"):
            copy_weights(source, target)
        assert all(np.array_equal(a, b) for a, b in zip(before, target.get_weights()))


def test_refuses_to_start_from_a_u_net_of_the_other_style():
    strided, double = (unet(style) for style in ("strided", "double"))
    for source, target in ((strided, double), (double, strided)):
        with pytest.raises(ValueError, match="only one of the networks has the layers "):
            copy_weights(source, target)


def test_refuses_to_start_from_a_network_whose_own_start_heard_a_validation_song(monkeypatch):
    description = {"features": FeatureConfig(), "songs": {"train": ["a/b"]}, "heard": ["v/w"]}
    loaded = SimpleNamespace(name="unet"), description
    monkeypatch.setattr("vocaltrack.starting.load_run", lambda run, wanted: loaded)
    songs = {"train": ["c/d"], "valid": ["v/w"]}
    manifest = Manifest(FeatureConfig(), (0.0,), (1.0,), {}, songs, {}, 0)
    with pytest.raises(UserError, match="run was trained on v/w, which is for validation here"):
        other_runs("unet", manifest, "run", None)
