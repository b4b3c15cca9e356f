"""What a uhnet makes of other masks than its hdc's, under the protocol of Huang et al."""

import json

import numpy as np
import pytest

from tests.paths import REPOSITORY
from tests.tiny_runs import SMALL_UNET
from vocaltrack.chunks import song_mask
from vocaltrack.config import FeatureConfig
from vocaltrack.errors import UserError
from vocaltrack.features import waveform_to_log_mel
from vocaltrack.models import build_unet, copy_weights, vocals_mask
from vocaltrack.runs import load_run
from vocaltrack.silence import as_heard


@pytest.fixture
def mask_quality(mir1k_recipe):
    return mir1k_recipe("mask_quality")


def test_a_uhnet_is_given_other_masks(mask_quality, mir1k_recipe, monkeypatch, runs, example):
    """Of its own hdc with a share of the ideal ones, and of a U-net."""
    monkeypatch.setattr(mask_quality, "SHARES", (0.0, 0.25, 1.0))
    (uhnet, description), (unet, _) = (load_run(runs / name) for name in ("uhnet", "unet"))
    features, hdc = description["features"], uhnet.get_layer("hdc")
    (kernel,) = (w for w in uhnet.trainable_weights if w.ndim == 4 and w.shape[2] == 3)
    kernel.assign(np.random.default_rng(0).normal(0, 0.3, kernel.shape))  # was 0 for the masks
    networks = {("uhnet",): uhnet, ("unet",): unet}
    monkeypatch.setattr(
        "vocaltrack.runs.load_run",
        lambda run, last, wanted: (last and networks[wanted], description),
    )
    separate, _ = mask_quality.separation_with_other_masks("runs/uhnet-0", "runs/unet-1")
    vocals, accompaniment = (example[name][: 3 * 16000] for name in ("vocals", "accompaniment"))
    estimates, masks = separate(vocals, accompaniment)
    assert list(estimates) == list(masks)
    np.testing.assert_allclose(masks["hdc + 100%"], masks["oracle"], atol=1e-4)
    between = 0.75 * masks["hdc + 0%"] + 0.25 * masks["hdc + 100%"]
    np.testing.assert_allclose(masks["hdc + 25%"], between, atol=1e-5)

    masks_of_unet = mir1k_recipe("masks_of_unet").both_masks(unet)
    over_unet = build_unet(SMALL_UNET, description["mean"], description["std"], masks_of_unet)
    copy_weights(uhnet, over_unet)
    log_mel = waveform_to_log_mel(vocals + accompaniment, features)
    for system, model in {
        "hdc + 0%": hdc,
        "uhnet, hdc + 0%": uhnet,
        "unet-1": unet,
        "uhnet, unet-1": over_unet,
    }.items():
        heard = song_mask(
            log_mel, lambda chunks: vocals_mask(model, as_heard(chunks, features)), features
        )
        np.testing.assert_allclose(masks[system], heard, atol=1e-5)
    assert np.abs(masks["uhnet, unet-1"] - masks["uhnet, hdc + 100%"]).max() > 0.01
    assert np.abs(masks["uhnet, unet-1"] - masks["uhnet, hdc + 0%"]).max() > 0.01


def test_both_splits_are_given_other_masks(mask_quality, monkeypatch, tmp_path, capsys):
    def score(clips, separate, sample_rate):
        value = {"hdc + 0%": 1.0, "uhnet, hdc + 0%": 2.0, "test": 3.0, "uhnet, test": 4.0}
        scores = {n: {"all": {"GNSDR": v if clips == "test" else -v}} for n, v in value.items()}
        return {"summary": {"systems": scores}, "versions": {}, "clips": {}}

    features = FeatureConfig()
    monkeypatch.setattr(mask_quality, "separation_with_other_masks", lambda *runs: (0, features))
    monkeypatch.setattr(mask_quality, "clips_to_score", lambda root, split: split)
    monkeypatch.setattr(mask_quality, "score", score)
    words = ["mask_quality.py", "MIR-1K", "a", "b", "--json", str(tmp_path / "averages.json")]
    monkeypatch.setattr("sys.argv", words)
    mask_quality.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[2:] == [
        "| hdc + 0% | 1.00 | 2.00 | -1.00 | -2.00 |",
        "| test | 3.00 | 4.00 | -3.00 | -4.00 |",
    ]
    written = json.loads((tmp_path / "averages.json").read_text())
    assert mask_quality.table(written).splitlines() == printed


def test_what_other_masks_bring_on_its_page_is_the_recipes(mask_quality):
    folder = REPOSITORY / "recipes" / "mir1k"
    averages = json.loads((folder / "mask-quality.json").read_text())
    table = mask_quality.table(averages)
    assert table in (folder / "README.md").read_text(encoding="utf-8")
    assert table.count("\n") == 1 + len(mask_quality.SHARES) + 1
    for split, report in averages.items():  # of the same networks as the other reports
        others = json.loads((folder / f"scores-{split}.json").read_text())["summary"]["systems"]
        for same, system in {
            "hdc + 0%": "hdc",
            "uhnet, hdc + 0%": "uhnet-0",
            "unet-1": "unet-1",
        }.items():
            score = report["summary"]["systems"][same]["all"]["GNSDR"]
            assert score == pytest.approx(others[system]["all"]["GNSDR"], abs=0.006)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("unet", "unet"), "unet holds a unet; here it must be uhnet"),
        (("uhnet", "hdc"), "hdc holds a hdc; here it must be unet"),
    ],
)
def test_other_networks_than_a_uhnet_and_a_unet_are_refused(mask_quality, runs, names, told):
    with pytest.raises(UserError, match=told):
        mask_quality.separation_with_other_masks(*(runs / name for name in names))
