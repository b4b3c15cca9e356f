"""The folder of a run: what it keeps, whole or not at all, and what it tells of its songs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_runs import SMALL_CLUSTERING, SMALL_UNET, settings
from vocaltrack.cli import main
from vocaltrack.config import FeatureConfig
from vocaltrack.contract import read_contract
from vocaltrack.errors import UserError
from vocaltrack.records import Manifest
from vocaltrack.resuming import claimed_run
from vocaltrack.run_files import check_losses, read_log, replace_weights, write_log
from vocaltrack.runs import describe_run, load_run, read_run, songs_heard, songs_validated
from vocaltrack.starting import OtherRun
from vocaltrack.training import train


def test_an_interrupted_save_leaves_nothing(tmp_path):
    def interrupted(path):
        path.write_text("half")
        raise KeyboardInterrupt

    (tmp_path / "newest.weights.h5").write_text("whole")
    with pytest.raises(KeyboardInterrupt):
        replace_weights(tmp_path, "newest.weights.h5", interrupted, ())
    assert [path.name for path in tmp_path.iterdir()] == ["newest.weights.h5"]
    assert (tmp_path / "newest.weights.h5").read_text() == "whole"


@pytest.mark.parametrize("part", ["training", "songs"])
def test_a_run_that_does_not_describe_itself_is_refused(runs, records, tmp_path, part):
    shutil.copytree(runs / "unet", tmp_path / "unet")
    path = tmp_path / "unet" / "run.json"
    description = json.loads(path.read_text())
    del description[part]
    path.write_text(json.dumps(description))
    told = f"unet cannot be loaded: its run.json is damaged \\('{part}'\\); bring it back"
    with pytest.raises(UserError, match=told):
        load_run(tmp_path / "unet")


def test_the_log_has_the_rate_that_each_epoch_was_trained_with(records, tmp_path):
    """A rate too small to change anything is halved after three epochs without a gain."""
    run, tiny = tmp_path / "run", 1e-30
    still = {"learning_rate": tiny, "epochs": 6, "steps_per_epoch": 1}
    train(settings("dc", **still), SMALL_CLUSTERING, records, run, verbose=0)
    rates = [float(row["learning_rate"]) / tiny for row in read_log(run)]
    assert rates == pytest.approx([1, 1, 1, 1, 0.5, 0.5])


@pytest.mark.parametrize("part", ["mean", "std"])
def test_a_run_without_its_normalisation_is_damaged(runs, tmp_path, part):
    run = shutil.copytree(runs / "unet", tmp_path / "unet")
    description = json.loads((run / "run.json").read_text())
    del description[part]
    (run / "run.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="unet cannot be loaded"):
        read_run(run)


def test_a_run_that_heard_the_validation_songs_is_refused(runs, records, tmp_path):
    shutil.copytree(runs / "unet", tmp_path / "unet")
    path = tmp_path / "unet" / "run.json"
    description = json.loads(path.read_text())
    description["songs"]["train"] += description["songs"]["valid"]
    path.write_text(json.dumps(description))
    with pytest.raises(UserError, match="which is for validation here"):
        train(settings("unet"), SMALL_UNET, records, tmp_path / "r", None, tmp_path / "unet")


@pytest.mark.parametrize("name", ["loss", "val_loss"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_epoch_of_which_one_loss_is_no_number_is_named(name, value):
    with pytest.raises(UserError, match="the loss is not a number in epoch 4; start a new run"):
        check_losses(3, {"loss": 1.0, "val_loss": 1.0, name: value})


def test_a_log_has_the_columns_of_its_newest_row(tmp_path):
    """A run may go on in a version that logs more, or less."""
    rows = [{"epoch": 0, "val_loss": 2.0, "old": 3}, {"epoch": 1, "val_loss": 1.0, "new": 4}]
    write_log(tmp_path, rows)
    assert [row["val_loss"] for row in read_log(tmp_path)] == ["2.0", "1.0"]
    assert (tmp_path / "log.csv").read_text().splitlines() == [
        "epoch,val_loss,new",
        "0,2.0,",
        "1,1.0,4",
    ]


def test_what_an_earlier_run_heard_is_remembered(runs, records, tmp_path):
    """The uhnet started from a unet and an hdc, and that from a dc."""
    folder = shutil.copytree(runs, tmp_path / "runs")
    path = folder / "dc" / "run.json"
    description = json.loads(path.read_text())
    description["songs"]["train"], description["heard"] = ["a/b"], ["a/b", "x/y"]
    path.write_text(json.dumps(description))
    sources = {"hdc": ("dc", None), "uhnet": ("unet", "hdc")}
    for name, network in (("hdc", SMALL_CLUSTERING), ("uhnet", SMALL_UNET)):
        initial, clustering = sources[name]
        run = folder / f"new-{name}"
        clustering = clustering and folder / f"new-{clustering}"
        config = settings(name, epochs=1)
        train(config, network, records, run, clustering, folder / initial, verbose=0)
        heard = json.loads((run / "run.json").read_text())["heard"]
        assert heard == sorted({"a/b", "x/y", *Manifest.load(records).songs["train"]})


def test_who_was_heard_and_who_chose_the_weights_is_remembered_when_a_run_goes_on(tmp_path):
    """By those of an earlier run, its last epoch's weights are chosen, too."""
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "best.keras").touch()
    first = {"songs": {"train": ["p/q"], "valid": ["x/y"]}, "heard": ["r/s"], "validated": ["x/z"]}
    songs, run = {"train": ["a/b"], "valid": ["v/w"]}, tmp_path / "run"
    manifest = Manifest(FeatureConfig(), (0.0,), (1.0,), {}, songs, {}, 0)
    for initial in (
        OtherRun(tmp_path / "first", None, first),
        None,
    ):  # the second time it goes on without
        described = settings("unet"), SMALL_UNET, manifest, [0.0], [1.0], {"initial": initial}
        with claimed_run(run, describe_run(*described)):
            (run / "newest.weights.h5").touch()
    description = json.loads((run / "run.json").read_text())
    assert songs_heard(description) == ["a/b", "p/q", "r/s"]
    assert songs_validated(description) == ["v/w", "x/y", "x/z"]
    assert songs_validated(description, last=True) == ["x/y", "x/z"]


def test_weights_for_which_there_is_no_room_are_not_begun(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=4_999_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    million = np.zeros((1000, 1000))
    with pytest.raises(UserError, match="a.weights.h5 cannot be written: it needs 5.0 MB"):
        replace_weights(tmp_path, "a.weights.h5", None, [million])
    replace_weights(tmp_path, "a.weights.h5", Path.touch, [million[1:]])
    assert [path.name for path in tmp_path.iterdir()] == ["a.weights.h5"]


@pytest.mark.parametrize("name", ["best.keras", "newest.weights.h5"])
def test_a_damaged_run_is_one_line(runs, tmp_path, name):
    """A byte at a time: zip files and HDF5 have many ways to be wrong (a byte of HDF5's
    numbers, which have no checksum, is none of them)."""
    run = shutil.copytree(runs / "dc", tmp_path / "dc")
    whole = (run / name).read_bytes()
    rng = np.random.default_rng(0)
    places = len(whole) if name == "best.keras" else 4096
    refused = 0
    for _ in range(12):
        data = bytearray(whole)
        data[rng.integers(places)] ^= 0xFF
        (run / name).write_bytes(data)
        try:
            load_run(run, last=name == "newest.weights.h5")
        except UserError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused


def test_weights_that_are_no_zip_file_are_told_apart_from_lost_ones(runs, tmp_path):
    run = shutil.copytree(runs / "dc", tmp_path / "dc")
    whole = (run / "best.keras").read_bytes()
    (run / "best.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="best.keras is damaged"):
        load_run(run)


def test_export_of_a_run(runs, tmp_path):
    assert main(["export", str(runs / "unet"), str(tmp_path / "unet")]) == 0
    songs = json.loads((runs / "unet" / "run.json").read_text())["songs"]
    contract = read_contract(tmp_path / "unet")
    assert contract["heard"] == songs["train"]
    assert contract["validated"] == songs["valid"] and len(songs["valid"]) == 1
    assert main(["export", "--last", str(runs / "unet"), str(tmp_path / "last")]) == 0
    assert read_contract(tmp_path / "last")["validated"] == []
    both = shutil.copytree(tmp_path / "unet", tmp_path / "both")
    (both / "run.json").write_text("{}")  # trained into by an older version
    assert main(["export", str(runs / "unet"), str(both)]) == 2
    assert (both / "run.json").exists()
    assert main(["export", str(tmp_path), str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()


def test_the_last_epochs_weights_are_taken_when_asked_for(runs, tmp_path):
    run = tmp_path / "unet"
    shutil.copytree(runs / "unet", run)
    model, _ = load_run(run)
    best = model.get_weights()
    model.set_weights([2.0 * values for values in best])
    model.save_weights(run / "newest.weights.h5")
    for last, factor in ((False, 1.0), (True, 2.0)):
        for values, expected in zip(load_run(run, last)[0].get_weights(), best):
            np.testing.assert_array_equal(values, factor * expected)
    (run / "newest.weights.h5").unlink()
    with pytest.raises(UserError, match="holds no last epoch's weights"):
        load_run(run, last=True)
    assert main(["export", "--last", str(run), str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()
