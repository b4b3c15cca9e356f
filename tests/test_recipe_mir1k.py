"""The protocol of Huang et al. on MIR-1K: whose clips train and test, and how
the scores are averaged."""

import json

import numpy as np
import pytest
import soundfile

from tests.paths import DATA, REPOSITORY, SAVED_MODELS, needs_data
from vocaltrack.errors import UserError
from vocaltrack.jsonfiles import write_json
from vocaltrack.mixing import MixtureConfig
from vocaltrack.splits import check_splits

RATE = 16000
SONGS = {"abjones_1": 2, "abjones_5": 2, "amy_3": 1, "amy_9": 3, "bug_1": 2, "yifen_2": 1}


@pytest.fixture
def recipe(mir1k_recipe):
    """The recipe's modules, as its scripts import them."""
    return mir1k_recipe("protocol"), mir1k_recipe("score")


@pytest.fixture
def mir1k(tmp_path):
    """A made-up MIR-1K whose splits.json would deal the songs otherwise."""
    rng = np.random.default_rng(0)
    (tmp_path / "Wavfile").mkdir()
    for song, clips in SONGS.items():
        for clip in range(1, clips + 1):
            voice, music = rng.normal(0, 0.05, (2, RATE * clip))
            music = np.cumsum(music) / np.sqrt(len(music))  # deep, and far louder
            audio = np.stack([0.5 * music / np.abs(music).max(), voice], axis=1)
            soundfile.write(tmp_path / "Wavfile" / f"{song}_{clip:02d}.wav", audio, RATE)
    (tmp_path / "splits.json").write_text('{"train": ["bug_1"], "valid": ["amy_3"]}')
    return tmp_path


def test_two_singers_train_and_two_of_their_songs_validate(recipe, mir1k):
    songs = recipe[0].training_songs(mir1k)
    assert {song.name: song.split for song in songs} == {
        "abjones_1": "train",
        "abjones_5": "valid",
        "amy_3": "train",
        "amy_9": "valid",
    }
    check_splits(songs)  # which prepare does too


def test_a_folder_without_clips_of_a_split_is_refused(recipe, mir1k):
    for path in mir1k.glob("Wavfile/a*_[59]_*.wav"):
        path.unlink()
    with pytest.raises(UserError, match="holds no clips of the split valid"):
        recipe[0].clips_to_score(mir1k, "valid")


def test_every_clip_of_the_other_singers_is_tested(recipe, mir1k):
    clips = recipe[0].clips_to_score(mir1k)
    assert [name for name, _ in clips] == ["bug_1_01", "bug_1_02", "yifen_2_01"]
    assert [len(song.load(RATE)["vocals"]) for _, song in clips] == [RATE, 2 * RATE, RATE]
    held_out = ["abjones_5_01", "abjones_5_02", "amy_9_01", "amy_9_02", "amy_9_03"]
    assert [name for name, _ in recipe[0].clips_to_score(mir1k, "valid")] == held_out


def test_nobody_learns_from_music_alone(mir1k_recipe, mir1k, monkeypatch):
    script, given = mir1k_recipe("prepare"), []
    monkeypatch.setattr(script, "prepare", lambda *args, **options: given.append((args, options)))
    monkeypatch.setattr("sys.argv", ["prepare.py", str(mir1k), "-o", "records"])
    script.main()
    (((songs, *others), options),) = given
    assert [song.split for song in songs] == ["train", "valid"] * 2
    assert others == ["records", {"train": 64000, "valid": 1024}]
    mixtures = MixtureConfig(kind_shares=(0.5, 0.5, 0.0), balance_db=(-6.0, 6.0))
    assert options == {"mixtures": mixtures}


@needs_data
def test_the_clips_of_the_real_data(recipe):
    songs = recipe[0].training_songs(DATA / "MIR-1K")
    assert sum(len(song.clips) for song in songs) == 175  # as in the paper of 2014
    assert len(recipe[0].clips_to_score(DATA / "MIR-1K", "valid")) == 18
    tested = {song.name for _, song in recipe[0].clips_to_score(DATA / "MIR-1K")}
    assert {"Ani_2", "annar_4", "yifen_2", "leon_5"} <= tested
    assert not tested & {song.name for song in songs}


def test_voice_and_accompaniment_are_mixed_at_equal_energy(recipe, mir1k):
    protocol, score = recipe
    separate, features = score.separation_by({})
    report = score.score(protocol.clips_to_score(mir1k), separate, features.sample_rate, workers=1)
    for clip in report["clips"].values():
        # 512 taps of BSS Eval explain little more than nothing of white noise.
        assert clip["scores"]["mixture"]["SDR"] == pytest.approx(0.0, abs=0.4)
    summary = report["summary"]["systems"]
    assert (report["summary"]["clips"], report["summary"]["seconds"]) == (3, 4.0)
    assert summary["mixture"]["all"]["GNSDR"] == 0.0
    assert summary["oracle"]["all"]["GNSDR"] > 3.0
    assert summary["oracle"]["all"]["PSNR"] == 120.0
    assert summary["oracle"]["all"]["accuracy"] == 1.0


@pytest.mark.parametrize("channel", [0, 1])
def test_a_clip_with_a_silent_stem_is_refused_by_name(recipe, mir1k, channel):
    path = mir1k / "Wavfile" / "bug_1_01.wav"
    audio, rate = soundfile.read(path)
    audio[:, channel] = 0.0
    soundfile.write(path, audio, rate)
    protocol, score = recipe
    ((_, song), *_) = protocol.clips_to_score(mir1k)
    with pytest.raises(UserError, match="a stem of .*bug_1_01.wav is silent"):
        score.equally_loud(song, RATE)


def test_averages_weigh_clips_by_their_length_and_leave_out_shared_backings(recipe):
    def clip(song, seconds, *sdrs):
        scores = {
            system: dict(SDR=sdr, SIR=2 * sdr, SAR=1.0, PSNR=3.0, accuracy=0.5)
            for system, sdr in zip(("mixture", "unet", "dc"), sdrs)
        }
        return {"song": song, "seconds": seconds, "scores": scores}

    nan = float("nan")
    clips = {
        "a": clip("bug_1", 1.0, 0.0, 10.0, 4.0),
        "b": clip("bug_1", 3.0, -1.0, 5.0, nan),
    }
    for song, seconds in (("yifen_2", 1.0), ("leon_5", 1.0), ("stool_4", 2.0)):
        clips[song] = clip(song, seconds, 1.0, 21.0, 2.0)
    summary = recipe[1].summary(clips)["systems"]
    assert summary["unet"]["own backing"]["GNSDR"] == pytest.approx((10 + 3 * 6) / 4)
    assert summary["unet"]["own backing"]["GSIR"] == pytest.approx((20 + 3 * 10) / 4)
    assert summary["unet"]["all"]["GNSDR"] == pytest.approx((10 + 3 * 6 + 4 * 20) / 8)
    assert summary["dc"]["all"]["GNSDR"] == pytest.approx((4 + 4 * 1) / 5)
    assert (summary["dc"]["all"]["silent"], summary["unet"]["all"]["silent"]) == (1, 0)


def test_a_silent_system_is_said_and_its_report_is_json(recipe, tmp_path):
    score = recipe[1]
    values = dict(SDR=float("nan"), SIR=float("nan"), SAR=float("nan"), PSNR=9.0, accuracy=0.8)
    sung = dict(SDR=1.0, SIR=2.0, SAR=3.0, PSNR=1.0, accuracy=0.2)
    clips = {"a": {"song": "x_1", "seconds": 60.0, "scores": {"mixture": sung, "dc": values}}}
    write_json(tmp_path / "scores.json", {"clips": clips, "summary": score.summary(clips)})
    report = json.loads((tmp_path / "scores.json").read_text())
    assert report["clips"]["a"]["scores"]["dc"]["SDR"] is None
    lines = score.table(report).splitlines()
    assert "| dc | – | – | – | – | 9.00 | 0.800 |" in lines
    assert "1 clips, 1 minutes." in lines
    assert any(line.startswith("dc returned silence for 1 clips") for line in lines)


def test_a_folder_named_as_a_shipped_model_is_that_folder(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hdc").mkdir()
    with pytest.raises(UserError, match="^hdc"):  # which has no contract
        recipe[1].load(["hdc:clusters"])


@pytest.mark.parametrize("models", [["nowhere"], [str(SAVED_MODELS / "unet")] * 2])
def test_bad_models_of_the_recipe_are_refused(recipe, models):
    with pytest.raises(UserError):
        recipe[1].load(models)


@pytest.fixture
def compare(mir1k_recipe):
    return mir1k_recipe("compare")


def test_gains_are_weighted_by_length_and_their_errors_are_over_the_songs(compare):
    def clip(song, seconds, before, after):
        scores = {"a": {"SDR": before}, "b": {"SDR": after[0]}, "c": {"SDR": after[1]}}
        return {"song": song, "seconds": seconds, "scores": scores}

    clips = {f"{n}_1": clip(str(n), 1.0, 0.0, (n, n + 2)) for n in range(20)}
    clips["0_2"] = clip("0", 3.0, 1.0, (5, 5))
    clips["0_3"] = clip("0", 9.0, None, (5, 5))  # silence
    mean, means = compare.gain(clips, ("a",), ("b", "c"), "SDR", "song")
    np.testing.assert_allclose(means, [(1 + 3 * 4) / 4, *range(2, 21)])
    assert mean == pytest.approx((sum(range(1, 21)) + 3 * 4) / 23)
    few = {name: clips[name] for name in ("0_1", "0_2", "1_1")}
    np.testing.assert_allclose(compare.gain(few, ("a",), ("b", "c"), "SDR")[1], [1, 4, 2])


def test_the_report_names_its_split(recipe, monkeypatch, tmp_path):
    """By which compare.py takes songs or clips as what it counts."""
    score = recipe[1]
    monkeypatch.setattr(score, "clips_to_score", lambda root, split: [])
    monkeypatch.setattr(score, "score", lambda clips, separate, sample_rate: {"clips": {}})
    monkeypatch.setattr(score, "table", lambda report: "")
    words = ["score.py", "MIR-1K", "--split", "valid", "--json", str(tmp_path / "scores.json")]
    monkeypatch.setattr("sys.argv", words)
    score.main()
    assert json.loads((tmp_path / "scores.json").read_text())["split"] == "valid"


def test_only_reports_of_the_protocol_are_compared(compare, monkeypatch):
    path = REPOSITORY / "recipes" / "shipped" / "mir1k.json"
    monkeypatch.setattr("sys.argv", ["compare.py", str(path)])
    with pytest.raises(UserError, match="mir1k.json is no report of score.py"):
        compare.main()


def test_clips_whose_clusters_are_the_wrong_way_round_are_left_out(compare):
    def clip(dc, clusters):
        scores = {"dc": dc, "hdc:clusters": clusters}
        return {"scores": {s: dict(SDR=sdr, accuracy=right) for s, (sdr, right) in scores.items()}}

    clips = {
        "right": clip((5.0, 0.5), (6.0, 0.9)),
        "dc wrong": clip((-9.0, 0.4), (6.0, 0.9)),
        "both wrong": clip((-9.0, 0.1), (-8.0, 0.2)),
        "silent": clip((None, 0.9), (6.0, 0.9)),
    }
    name, right = compare.where_clusters_are_right(clips)
    assert list(right) == ["right"]
    assert "dc in 2, hdc:clusters in 1 of 3" in name


def test_the_gains_of_its_page_are_the_recipes(compare, monkeypatch, capsys):
    folder = REPOSITORY / "recipes" / "mir1k"
    reports = [path for split in ("valid", "test") for path in folder.glob(f"scores*-{split}.json")]
    monkeypatch.setattr("sys.argv", ["compare.py", *map(str, reports)])
    compare.main()
    page = (folder / "README.md").read_text(encoding="utf-8")
    printed = capsys.readouterr().out.strip()
    assert printed in page
    assert printed.count("\n") == 1 + 2 * (len(compare.COMPARED) + 1)


def test_reports_of_a_split_are_taken_together(compare, tmp_path):
    def report(name, split, system, sdrs, mixture=0.5):
        every = {"mixture": [mixture] * len(sdrs), system: sdrs}
        clips = {
            f"c{n}": {"scores": {name: {"SDR": sdr[n]} for name, sdr in every.items()}}
            for n in range(len(sdrs))
        }
        write_json(tmp_path / name, {"split": split, "clips": clips})
        return tmp_path / name

    paths = [
        report("scores-test.json", "test", "unet-0", (1.0, 2.0)),
        report("scores-valid.json", "valid", "unet-0", (3.0,)),
        report("scores-on-test.json", "test", "wide-0", (4.0, 5.0)),
    ]
    splits = compare.by_split(paths)
    assert list(splits) == ["test", "valid"]
    of_second = {"mixture": {"SDR": 0.5}, "unet-0": {"SDR": 2.0}, "wide-0": {"SDR": 5.0}}
    assert splits["test"]["c1"]["scores"] == of_second and len(splits["valid"]) == 1
    few = report("scores-few-test.json", "test", "dc", (4.0,))
    with pytest.raises(UserError, match="few-test.json is of other clips than the reports before"):
        compare.by_split([*paths, few])
    other = report("scores-new-test.json", "test", "dc", (4.0, 4.0), mixture=0.6)
    with pytest.raises(UserError, match="new-test.json has other scores of mixture than a report"):
        compare.by_split([*paths, other])


def test_each_epoch_stands_at_the_step_at_which_it_ended(mir1k_recipe, tmp_path):
    write_json(tmp_path / "run.json", {"training": {"steps_per_epoch": 30, "batch_size": 16}})
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n0,0.9,0.5\n1,0.8,0.4\n2,0.7,0.3\n")
    curve = mir1k_recipe("curves").curve(tmp_path, "val_loss")
    assert curve == ([30, 60, 90], [0.5, 0.4, 0.3])


@pytest.mark.parametrize(
    ("scores", "page"),
    [
        ("scores-test.json", "README.md"),
        ("scores-on-test.json", "README.md"),
        ("scores-valid.json", "recipes/mir1k/README.md"),
        ("scores-on-valid.json", "recipes/mir1k/README.md"),
        ("scores-further-test.json", "recipes/mir1k/README.md"),
        ("scores-further-valid.json", "recipes/mir1k/README.md"),
        ("scores-long-test.json", "recipes/mir1k/README.md"),
        ("scores-long-valid.json", "recipes/mir1k/README.md"),
        ("scores-wide-test.json", "recipes/mir1k/README.md"),
        ("scores-wide-valid.json", "recipes/mir1k/README.md"),
    ],
)
def test_the_tables_of_the_pages_are_the_recipes(recipe, scores, page, tmp_path):
    report = json.loads((REPOSITORY / "recipes" / "mir1k" / scores).read_text())
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    assert recipe[1].table(report).strip() in text
    for system in (s for clip in report["clips"].values() for s in clip["scores"].values()):
        system.update({metric: np.nan for metric, score in system.items() if score is None})
    write_json(tmp_path / "summary.json", recipe[1].summary(report["clips"]))
    assert json.loads((tmp_path / "summary.json").read_text()) == report["summary"]
