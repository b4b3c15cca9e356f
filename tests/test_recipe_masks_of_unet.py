"""A run that takes the place of an hdc's, and whose masks are those of a U-net."""

import shutil

import keras
import numpy as np
import pytest

from tests.tiny_runs import SMALL_UNET, settings
from vocaltrack.errors import UserError
from vocaltrack.jsonfiles import read_json, write_json
from vocaltrack.models import copy_weights
from vocaltrack.runs import load_run
from vocaltrack.serving import served_unet
from vocaltrack.training import train


@pytest.fixture
def masks_of_unet(mir1k_recipe):
    return mir1k_recipe("masks_of_unet")


@pytest.fixture
def unet_run(runs, tmp_path):
    """A run whose last epoch is far from its best, and that heard one song more."""
    run = shutil.copytree(runs / "unet", tmp_path / "unet")
    network, _ = load_run(run, last=True)
    rng = np.random.default_rng(0)
    network.set_weights([w + 0.1 * rng.random(w.shape) for w in network.get_weights()])
    network.save_weights(run / "newest.weights.h5")
    description = read_json(run / "run.json", "the run")
    write_json(run / "run.json", {**description, "heard": ["stems/another"]})
    return run


def test_a_uhnet_learns_from_the_masks_of_a_unet(masks_of_unet, unet_run, runs, records, tmp_path):
    """Of its last epoch, and they stay as they are."""
    # As in a process of its own, where new layers get the names that loaded ones have.
    keras.utils.clear_session()
    masks_of_unet.write_run(unet_run, tmp_path / "masks")
    started = tmp_path / "masks", runs / "unet"
    train(settings("uhnet"), SMALL_UNET, records, tmp_path / "uhnet", *started, verbose=0)
    (uhnet, description), (unet, _) = (
        load_run(run, last=True) for run in (tmp_path / "uhnet", unet_run)
    )
    log_mel = np.random.default_rng(0).uniform(-60.0, 0.0, (2, 128, 128)).astype(np.float32)
    channels = keras.Model(uhnet.input, uhnet.get_layer("log_mel_and_masks").output)(log_mel)
    of_vocals = unet(log_mel)[..., 0]
    np.testing.assert_allclose(channels[..., 1], of_vocals, atol=1e-5)
    np.testing.assert_allclose(channels[..., 2], 1.0 - of_vocals, atol=1e-5)
    assert np.std(of_vocals) > 0.01
    assert np.abs(load_run(unet_run)[0](log_mel)[..., 0] - of_vocals).max() > 0.01
    assert "stems/another" in description["heard"]

    np.testing.assert_allclose(served_unet(uhnet)(log_mel), uhnet(log_mel), atol=1e-4)
    untrained = keras.models.clone_model(uhnet)
    untrained.set_weights(uhnet.get_weights())
    copy_weights(load_run(runs / "unet")[0], untrained)
    assert np.abs(uhnet(log_mel) - untrained(log_mel)).max() > 0.01


def test_what_is_no_run_of_a_unet_and_what_is_there_already_is_refused(
    masks_of_unet, runs, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match="hdc holds a hdc; here it must be unet"):
        masks_of_unet.write_run(runs / "hdc", tmp_path / "masks")
    assert not (tmp_path / "masks").exists()
    monkeypatch.setattr("sys.argv", ["masks_of_unet.py", str(runs / "unet"), str(tmp_path)])
    with pytest.raises(UserError, match="is there already; delete it or give another folder"):
        masks_of_unet.main()
