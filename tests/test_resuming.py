"""A run goes on where it was, wherever it lies, and refuses what does not fit it."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.paths import SAVED_MODELS
from tests.tiny_runs import SMALL_UNET, settings
from vocaltrack.callbacks import RunKeeper
from vocaltrack.cli import main
from vocaltrack.compiling import compile_model
from vocaltrack.config import FeatureConfig, UnetConfig
from vocaltrack.errors import UserError
from vocaltrack.locks import alone_in
from vocaltrack.models import build_unet
from vocaltrack.records import Manifest
from vocaltrack.resuming import claimed_run
from vocaltrack.run_files import read_log
from vocaltrack.runs import describe_run, load_run
from vocaltrack.starting import OtherRun
from vocaltrack.training import examples, train


def test_a_killed_run_goes_on(records, tmp_path):
    """Killed after its first epochs: none is repeated or lost, the optimizer's
    state is there, and the best weights are only replaced by better ones."""
    run = tmp_path / "run"
    words = ["train-unet", "--model", "unet", "--records", str(records), "--run", str(run)]
    words += ["--epochs", "4", "--steps-per-epoch", "2", "--batch-size", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vocaltrack", *words], stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while len(read_log(run)) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    before = read_log(run)
    assert 2 <= len(before) < 4
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    command = [sys.executable, "-m", "vocaltrack", *words]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    assert not list((tmp_path / "temporary").glob("*.py"))  # TensorFlow's, which traced it
    rows = read_log(run)
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3]
    assert rows[:1] == before[:1]  # the kill may come before the second epoch's state is kept
    losses = [float(row["val_loss"]) for row in rows]
    assert not list(run.glob("temporary.*"))
    model, _ = load_run(run)
    config = settings("unet", batch_size=2)
    compile_model(model, config)
    loss = model.evaluate(examples(config, Manifest.load(records), records, "valid", None))
    assert loss < min(losses) * 1.0001


def test_a_resume_brings_back_weights_and_the_optimizers_state(records, tmp_path):
    run = tmp_path / "run"
    trained = train(settings("unet"), SMALL_UNET, records, run, verbose=0).model
    keras.utils.set_random_seed(1)
    model = build_unet(SMALL_UNET, [-20.0] * 128, [10.0] * 128)
    compile_model(model, settings("unet"))
    assert RunKeeper(run, model).restore(model, 3) == 2
    for mine, theirs in zip(model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(model.optimizer.variables, trained.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_going_on_equals_the_counts_of_one_go(records, tmp_path):
    run = tmp_path / "run"
    train(settings("unet", epochs=2), SMALL_UNET, records, run, verbose=0)
    history = train(settings("unet", epochs=3), SMALL_UNET, records, run, verbose=0)
    assert history.epoch == [2]
    assert int(history.model.optimizer.iterations) == 9
    assert [int(row["epoch"]) for row in read_log(run)] == [0, 1, 2]
    again = train(settings("unet", epochs=3), SMALL_UNET, records, run, verbose=0)
    assert again.epoch == []


def test_a_bfloat16_run_goes_on_to_the_counts_of_one_go(records, tmp_path):
    run = tmp_path / "run"
    config = settings("unet", precision="mixed_bfloat16")
    train(config, SMALL_UNET, records, run, verbose=0)
    before = read_log(run)
    more = settings("unet", precision="mixed_bfloat16", epochs=3)
    history = train(more, SMALL_UNET, records, run, verbose=0)
    assert history.epoch == [2]
    assert int(history.model.optimizer.iterations) == 9
    rows = read_log(run)
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2] and rows[:2] == before
    with pytest.raises(UserError, match="precision=mixed_bfloat16, not float32"):
        train(settings("unet", epochs=4), SMALL_UNET, records, run, verbose=0)


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(runs, records, tmp_path):
    run = shutil.copytree(runs / "unet", tmp_path / "unet")
    description = json.loads((run / "run.json").read_text())
    del description["training"]["precision"], description["network"]["fine_tuned"]
    del description["records_sha256"]
    (run / "run.json").write_text(json.dumps(description))
    other = settings("unet", epochs=3, precision="mixed_bfloat16")
    with pytest.raises(UserError, match="precision=float32, not mixed_bfloat16"):
        train(other, SMALL_UNET, records, run, verbose=0)
    assert train(settings("unet", epochs=3), SMALL_UNET, records, run, verbose=0).epoch == []


def test_a_run_goes_on_however_its_start_is_written_but_not_backwards(
    runs, records, tmp_path, monkeypatch, capsys
):
    run = shutil.copytree(runs / "uhnet", tmp_path / "uhnet")
    monkeypatch.chdir(runs)
    for initial in ("unet", f"{runs}/unet/", str(runs / "." / "hdc" / ".." / "unet")):
        args = SMALL_UNET, records, run, "hdc", initial
        assert train(settings("uhnet"), *args, verbose=0).epoch == []
        assert "2 of 2 epochs are done, no more to come" in capsys.readouterr().out
    with pytest.raises(UserError, match="2 epochs are done, 1 were asked for"):
        train(settings("uhnet", epochs=1), *args, verbose=0)
    with pytest.raises(UserError, match="started from --initial .*/unet, and .*/uhnet was given"):
        train(settings("uhnet"), SMALL_UNET, records, run, "hdc", "uhnet", verbose=0)
    assert train(settings("uhnet", epochs=3), *args, verbose=0).epoch == [2]
    told = capsys.readouterr().out
    assert "2 of 3 epochs are done, going on" in told and "starts from" not in told


def test_a_run_knows_its_start_from_any_folder(tmp_path, monkeypatch):
    def started_from(path):
        (Path(path) / "best.keras").write_text(str(Path(path).resolve()))
        initial = OtherRun(path, None, {"songs": {"train": ["c/d"]}})
        songs = {"train": ["a/b"]}
        manifest = Manifest(FeatureConfig(), (0.0,), (1.0,), {}, songs, {}, 0)
        return describe_run(
            settings("unet"), SMALL_UNET, manifest, [0.0], [1.0], {"initial": initial}
        )

    for folder in ("one", "two"):
        (tmp_path / folder / "begin").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    with claimed_run(tmp_path / "run", started_from("begin")) as is_new:
        assert is_new
    (tmp_path / "run" / "log.csv").touch()
    (tmp_path / "run" / "temporary.best.keras").touch()  # by a process that was killed
    monkeypatch.chdir(tmp_path / "two")
    with claimed_run(tmp_path / "run", started_from("../one/begin")) as is_new:
        assert not is_new
    assert not (tmp_path / "run" / "temporary.best.keras").exists()
    with (
        pytest.raises(UserError, match="from --initial .*one/begin, and .*two/begin was given"),
        claimed_run(tmp_path / "run", started_from("begin")),
    ):
        pass


def test_a_run_goes_on_where_it_was_copied_to_and_without_its_start(runs, records, tmp_path):
    """What it started from is known again by its weights; once gone, it is not needed."""
    moved = shutil.copytree(runs, tmp_path / "moved")
    run = moved / "uhnet"
    before = json.loads((run / "run.json").read_text())["started_from"]
    args = SMALL_UNET, records, run
    history = train(settings("uhnet", epochs=3), *args, moved / "hdc", moved / "unet", verbose=0)
    assert history.epoch == [2]
    with pytest.raises(UserError, match="started from --clustering .*/hdc, and none was given"):
        train(settings("uhnet", epochs=4), *args, None, moved / "uhnet", verbose=0)
    shutil.rmtree(moved / "hdc")
    weights = load_run(run, last=True)[0].get_layer("hdc").get_weights()
    history = train(settings("uhnet", epochs=4), *args, verbose=0)
    assert history.epoch == [3]
    assert int(history.model.optimizer.iterations) == 12
    for mine, was in zip(history.model.get_layer("hdc").get_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, was)
    description = json.loads((run / "run.json").read_text())
    assert description["started_from"] == before and set(before) == {"initial", "clustering"}


def test_a_start_that_is_gone_can_be_left_out(runs, records, tmp_path, capsys):
    run = shutil.copytree(runs / "hdc", tmp_path / "hdc")
    words = ["train-clustering", "--model", "hdc", "--records", str(records), "--run", str(run)]
    assert main([*words, "--initial", str(tmp_path / "gone")]) == 2
    assert f"or leave it out: {run} goes on by itself" in capsys.readouterr().err


def test_a_start_may_be_left_out_once_there_are_weights_to_go_on_from(runs, tmp_path):
    run, description = tmp_path / "run", json.loads((runs / "hdc" / "run.json").read_text())
    with claimed_run(run, description):
        (run / "log.csv").touch()
    description["started_from"] = {}
    with pytest.raises(UserError, match="started from --initial .*/dc, and none was given"):
        claimed_run(run, description).__enter__()
    (run / "newest.weights.h5").touch()
    with claimed_run(run, description) as is_new:
        assert not is_new


def test_a_run_of_before_knows_its_start_by_its_place(runs, records, tmp_path):
    run = shutil.copytree(runs / "uhnet", tmp_path / "uhnet")
    description = json.loads((run / "run.json").read_text())
    places = {name: start["run"] for name, start in description["started_from"].items()}
    assert places == {
        name: str(runs / run) for name, run in (("initial", "unet"), ("clustering", "hdc"))
    }
    description["started_from"] = places
    (run / "run.json").write_text(json.dumps(description))
    args = settings("uhnet"), SMALL_UNET, records, run
    assert train(*args, runs / "hdc", runs / "unet", verbose=0).epoch == []
    copied = shutil.copytree(runs / "unet", tmp_path / "unet")
    with pytest.raises(UserError, match=f"from --initial {runs}/unet, and {copied} was given"):
        train(*args, runs / "hdc", copied, verbose=0)


def test_a_network_that_was_not_trained_there_is_not_overwritten(runs, records, tmp_path):
    """A run that unfold.py made, say, which --initial is for."""
    run = tmp_path / "unet"
    run.mkdir()
    for name in ("run.json", "best.keras"):
        shutil.copy(runs / "unet" / name, run)
    before = (run / "best.keras").read_bytes()
    for epochs, rate in ((3, 1e-3), (9, 0.1)):
        with pytest.raises(UserError, match=f"in another folder, with --initial {run}"):
            other = settings("unet", epochs=epochs, learning_rate=rate)
            train(other, SMALL_UNET, records, run, verbose=0)
    assert (run / "best.keras").read_bytes() == before


def test_a_run_goes_on_with_its_records_alone(tmp_path):
    """Where it takes over another run's normalisation too, which tells nothing of records."""
    shards = {"train": [{"file": "train-00000-of-00001.tfrecord", "records": 8, "bytes": 9}]}
    first = Manifest(FeatureConfig(), (0.0,), (1.0,), shards, {"train": ["a/b"]}, {}, seed=0)

    (tmp_path / "begin").mkdir()
    (tmp_path / "begin" / "best.keras").touch()

    def described(manifest):
        initial = OtherRun(tmp_path / "begin", None, {"songs": {"train": ["c/d"]}})
        return describe_run(
            settings("unet"), SMALL_UNET, manifest, [2.0], [3.0], {"initial": initial}
        )

    with claimed_run(tmp_path / "run", described(first)):
        (tmp_path / "run" / "log.csv").touch()
    with claimed_run(tmp_path / "run", described(dataclasses.replace(first))) as is_new:
        assert not is_new
    changes = {"seed": 1, "shards": {}, "mean": (0.1,), "std": (1.1,), "counts": {"train": {}}}
    for name, value in {**changes, "songs": {"train": ["e/f"]}}.items():
        part = "songs" if name == "songs" else "records_sha256"
        other = dataclasses.replace(first, **{name: value})
        with (
            pytest.raises(UserError, match=rf"other records \({part} differs"),
            claimed_run(tmp_path / "run", described(other)),
        ):
            pass


def test_early_stopping_counts_the_epochs_before_a_resume(records, tmp_path, capsys):
    """A learning rate of 0 never gets better: patience 2 ends in epoch 3."""
    run = tmp_path / "run"
    still = {"learning_rate": 0.0, "patience": 2, "epochs": 9, "steps_per_epoch": 1}
    history = train(settings("unet", **still), SMALL_UNET, records, run, verbose=0)
    losses = [float(row["val_loss"]) for row in read_log(run)]
    assert len(losses) == losses.index(min(losses)) + 1 + 2 < 9
    assert history.epoch == list(range(len(losses)))
    told = f"{run}: stopped after {len(losses)} of 9 epochs, of which the last 2 had no better"
    assert told in capsys.readouterr().out
    again = train(settings("unet", **still), SMALL_UNET, records, run, verbose=0)
    assert again.epoch == []
    assert told in capsys.readouterr().out


def test_other_settings_in_the_same_run_are_refused(runs, records):
    with pytest.raises(UserError, match="learning_rate=0.001, not 0.1"):
        train(settings("unet", learning_rate=0.1), SMALL_UNET, records, runs / "unet", verbose=0)
    with pytest.raises(UserError, match="filters=4, not 8"):
        other = UnetConfig(filters=8, style="strided", dropout=0.0)
        train(settings("unet", epochs=3), other, records, runs / "unet", verbose=0)


def test_patience_and_more_epochs_may_be_given_later(tmp_path):
    description = {"training": {"decay": "plateau", "patience": 3, "epochs": 2}}
    description |= {"network": {}, "features": {}, "mean": [], "std": [], "songs": {"train": []}}
    description |= {"records_sha256": "", "heard": [], "validated": [], "started_from": {}}
    for patience, epochs in ((3, 2), (9, 2), (1, 5)):
        description["training"] |= {"patience": patience, "epochs": epochs}
        with claimed_run(tmp_path / "run", description):
            (tmp_path / "run" / "log.csv").touch()
    (tmp_path / "run" / "log.csv").write_text("epoch,val_loss\n" + "0,1.0\n" * 4)
    description["training"]["epochs"] = 4  # of the five that were asked for last
    with claimed_run(tmp_path / "run", description):
        pass
    description["training"]["epochs"] = 3
    with pytest.raises(UserError, match="run: 4 epochs are done, 3 were asked for"):
        claimed_run(tmp_path / "run", description).__enter__()


def test_a_run_that_was_ended_in_its_first_epoch_takes_other_settings(runs, tmp_path):
    description = json.loads((runs / "unet" / "run.json").read_text())
    for rate in (1e-3, 1e-4):
        description["training"]["learning_rate"] = rate
        with claimed_run(tmp_path / "run", description):
            pass
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == description
    (tmp_path / "run" / "log.csv").write_text("epoch,val_loss\n0,1.0\n")
    description["training"]["learning_rate"] = 1e-5
    with pytest.raises(UserError, match="learning_rate=0.0001, not 1e-05"):
        claimed_run(tmp_path / "run", description).__enter__()


def test_a_run_has_a_folder_of_its_own(runs, records):
    with pytest.raises(UserError, match="holds records; give another folder"):
        train(settings("unet"), SMALL_UNET, records, records, verbose=0)
    with pytest.raises(UserError, match="it is a SavedModel, of which recipes/shipped/unfold.py"):
        load_run(SAVED_MODELS / "unet")
    with pytest.raises(UserError, match="holds a SavedModel; give another folder"):
        train(settings("unet"), SMALL_UNET, records, SAVED_MODELS / "unet", verbose=0)
    with (  # nor one that is made otherwise, by unfold.py
        pytest.raises(UserError, match="holds a SavedModel; give another folder"),
        claimed_run(SAVED_MODELS / "unet", {}),
    ):
        pass


def test_two_trainings_of_one_run_are_refused(runs, records):
    """The second, which asks for more epochs, leaves the first one's settings alone."""
    before = (runs / "unet" / "run.json").read_bytes()
    with (
        alone_in(runs / "unet"),
        pytest.raises(UserError, match="another process works in"),
    ):
        train(settings("unet", epochs=9), SMALL_UNET, records, runs / "unet", verbose=0)
    assert (runs / "unet" / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("log.csv", "epoch;loss;val_loss\n0;1;1\n", "log.csv is damaged"),
        ("log.csv", "", "lacks epochs in log.csv"),
        ("best.keras", None, "lacks a whole best.keras"),
        ("best.keras", "", "lacks a whole best.keras"),
        ("log.csv", "\udcff\udcfe", "log.csv is damaged"),
        ("newest.weights.h5", None, "lacks its newest.weights.h5"),
        ("newest.weights.h5", "HDF", "start a new run, which takes the best weights"),
        ("run.json", None, "lacks its run.json"),
        ("run.json", '{"training": [], "network": {}}', "run.json is damaged"),
        ("run.json", '{"started_from": "x"}', "unet cannot be loaded"),
        ("run.json", "{}", "run.json is damaged"),
    ],
)
def test_a_run_whose_files_do_not_fit_does_not_go_on(runs, records, tmp_path, name, content, told):
    run = shutil.copytree(runs / "unet", tmp_path / "unet")
    (run / name).unlink()
    if content is not None:
        (run / name).write_text(content, errors="surrogateescape")
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with pytest.raises(UserError, match=told):
        train(settings("unet", epochs=3), SMALL_UNET, records, run, verbose=0)
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_file_in_place_of_a_runs_tensorboard_folder_is_one_line(records, tmp_path):
    (tmp_path / "tensorboard").touch()
    with pytest.raises(UserError, match="tensorboard cannot be made: File exists"):
        train(settings("unet"), SMALL_UNET, records, tmp_path, verbose=0)
    assert [path.name for path in tmp_path.iterdir()] == ["tensorboard"]


def test_more_epochs_are_refused_under_the_cosine(records, tmp_path):
    cosine = {"decay": "cosine", "steps_per_epoch": 1}
    train(settings("unet", epochs=1, **cosine), SMALL_UNET, records, tmp_path / "r", verbose=0)
    with pytest.raises(UserError, match="epochs=1, not 2"):
        train(settings("unet", epochs=2, **cosine), SMALL_UNET, records, tmp_path / "r", verbose=0)
