"""Scores beside the mixture and the oracle, on real audio."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr

from tests.paths import EXAMPLE
from vocaltrack.cli import main
from vocaltrack.config import FeatureConfig
from vocaltrack.datasets import read_stems
from vocaltrack.errors import UserError
from vocaltrack.evaluation import evaluate, table
from vocaltrack.metrics import METRICS, SOUND_METRICS, level_db, mask_psnr, museval_metrics
from vocaltrack.separator import Separator
from vocaltrack.song_scores import oracle_mask
from vocaltrack.songs import Song


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Eight seconds of the example, its accompaniment alone, and its vocals alone."""
    root = tmp_path_factory.mktemp("songs")
    for name in ("vocals", "accompaniment"):
        audio, rate = soundfile.read(EXAMPLE / f"{name}.flac", frames=8 * 16000)
        for song in ("both", f"only-{name}"):
            folder = root / "valid" / song
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{name}.wav", audio, rate)
    return root


@pytest.fixture(scope="module")
def report(songs, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.json"
    code = main(["evaluate", "--stems", str(songs), "--model", "unet", "--json", str(path)])
    assert code == 0
    return json.loads(path.read_text())


def test_every_system_stands_beside_mixture_and_oracle(report, songs):
    scores = report["songs"][f"{songs.name}/both"]
    assert list(scores) == ["mixture", "oracle", "unet"]
    assert all(set(score) == set(METRICS) for score in scores.values())
    assert report["left_out"] == [f"{songs.name}/only-vocals"]
    assert report["heard"] == report["validated"] == {}
    metric = report["versions"]["metric"]
    assert metric.startswith("museval BSS Eval v4") and "in which the vocals sound" in metric


@pytest.mark.parametrize("name", ("mixture", "oracle"))
def test_a_model_named_as_what_stands_beside_it_is_refused(songs, name):
    separator = SimpleNamespace(features=FeatureConfig())
    with pytest.raises(UserError, match=f"a model is named {name}"):
        evaluate(read_stems(songs), {"unet": separator, name: separator})


def test_models_of_other_features_are_not_scored_together(songs):
    separators = {
        name: SimpleNamespace(features=FeatureConfig(n_fft=n_fft))
        for name, n_fft in (("a", 1024), ("b", 1024), ("c", 512))
    }
    with pytest.raises(UserError, match="n_fft is 1024 in a but 512 in c"):
        evaluate(read_stems(songs), separators)


def test_the_ceiling_and_the_floor(report, songs):
    scores = report["songs"][f"{songs.name}/both"]
    assert scores["mixture"]["SI-SDRi"] == 0.0
    assert scores["mixture"]["SI-SDR"] < scores["unet"]["SI-SDR"] < scores["oracle"]["SI-SDR"]
    assert scores["mixture"]["SDR"] < scores["unet"]["SDR"] < scores["oracle"]["SDR"]
    assert scores["oracle"]["SI-SDR"] > 8.0
    assert scores["oracle"]["PSNR"] == pytest.approx(120.0)
    assert scores["oracle"]["IoU"] == scores["oracle"]["accuracy"] == 1.0
    assert scores["mixture"]["accuracy"] == scores["mixture"]["IoU"] < 0.5


def test_improvement_and_mask_metrics_are_the_models(report, songs):
    scores = report["songs"][f"{songs.name}/both"]
    gained = scores["unet"]["SI-SDR"] - scores["mixture"]["SI-SDR"]
    assert scores["unet"]["SI-SDRi"] == pytest.approx(gained) and gained > 3
    (song,) = (song for song in read_stems(songs) if song.name == "both")
    stems = song.load(16000)
    separator = Separator("unet")
    mask = separator.separate(stems["vocals"] + stems["accompaniment"], 16000).mask
    target = oracle_mask(**stems, features=separator.features)
    assert scores["unet"]["PSNR"] == pytest.approx(mask_psnr(target, mask), abs=1e-3)


def test_a_name_with_clusters_is_scored_by_its_clusters(songs, tmp_path):
    paths = []
    for name in ("hdc", "hdc:clusters"):
        paths.append(tmp_path / f"{len(paths)}.json")
        words = ["evaluate", "--stems", songs, "--model", name, "--json", paths[-1]]
        assert main(list(map(str, words))) == 0
    heads, clusters = (json.loads(path.read_text())["songs"] for path in paths)
    key = f"{songs.name}/both"
    assert abs(heads[key]["hdc"]["SI-SDR"] - clusters[key]["hdc:clusters"]["SI-SDR"]) > 0.1


def test_instrumentals_tell_the_output_level(report, songs):
    leaks = report["instrumentals"][f"{songs.name}/only-accompaniment"]
    assert set(leaks) == {"unet"} and -80 < leaks["unet"] < 0
    assert report["summary"]["unet"]["instrumental_db"]["median"] == leaks["unet"]


def scored_as_music(monkeypatch, levels, **stems):
    """The report of as many songs of the same stems as there are levels of what comes out."""
    left = iter(levels)
    monkeypatch.setattr("vocaltrack.evaluation.leakage", lambda *given: {"a": next(left)})
    songs = [
        SimpleNamespace(key=f"d/{number}", stems=stems, load=lambda *form: stems)
        for number in range(len(levels))
    ]
    model = SimpleNamespace(heard=(), validated=())
    return evaluate(songs, {"a": SimpleNamespace(features=FeatureConfig(), model=model)})


def test_vocals_that_are_silent_are_told(monkeypatch, capsys):
    """As those are that stand in opposite phase in two channels."""
    report = scored_as_music(monkeypatch, [-9.0], vocals=np.zeros(9), accompaniment=np.ones(9))
    assert report["instrumentals"] == {"d/0": {"a": -9.0}}
    assert "warning: the vocals of d/0 are silent" in capsys.readouterr().err


def test_the_summary_of_instrumentals_has_their_median_and_the_worst(monkeypatch, capsys):
    report = scored_as_music(monkeypatch, [-60.0, -10.0, -30.0], accompaniment=np.ones(9))
    assert "warning" not in capsys.readouterr().err  # as of vocals that are there but silent
    assert report["summary"]["a"]["instrumental_db"] == {"median": -30.0, "worst": -10.0}


def test_a_silent_instrumental_is_left_out(songs, tmp_path):
    folder = tmp_path / "stems" / "valid"
    shutil.copytree(songs / "valid" / "only-accompaniment", folder / "music")
    (folder / "silence").mkdir()
    soundfile.write(folder / "silence" / "accompaniment.wav", np.zeros(16000), 16000)
    report = evaluate(read_stems(tmp_path / "stems"), {"unet": Separator("unet")})
    assert report["left_out"] == ["stems/silence"]
    assert list(report["instrumentals"]) == ["stems/music"]
    assert np.isfinite(report["summary"]["unet"]["instrumental_db"]["worst"])


def test_silent_stems_count_as_absent(songs, tmp_path):
    """Many sets of stems hold an empty vocals.wav beside instrumental music."""
    folder = tmp_path / "stems" / "valid"
    for name, silent in (("music", "vocals"), ("singing", "accompaniment"), ("nothing", None)):
        shutil.copytree(songs / "valid" / "both", folder / name)
        for stem in [silent] if silent else ("vocals", "accompaniment"):
            soundfile.write(folder / name / f"{stem}.wav", np.zeros(8 * 16000), 16000)
    report = evaluate(read_stems(tmp_path / "stems"), {"unet": Separator("unet")})
    assert report["songs"] == {}
    assert list(report["instrumentals"]) == ["stems/music"]
    assert sorted(report["left_out"]) == ["stems/nothing", "stems/singing"]


def test_a_song_that_cannot_be_read_does_not_cost_the_others(songs, tmp_path, capsys):
    folder = tmp_path / "stems" / "valid"
    shutil.copytree(songs / "valid" / "only-accompaniment", folder / "music")
    for name in ("broken", "worse"):
        (folder / name).mkdir()
        (folder / name / "accompaniment.wav").write_text("no audio")
    words = ["evaluate", "--stems", folder.parent, "--model", "unet", "--json", tmp_path / "r.json"]
    assert main(list(map(str, words))) == 1
    printed = capsys.readouterr()
    assert "| unet |" in printed.out
    (*_, first, second) = printed.err.splitlines()
    assert first.startswith("vocaltrack: error: stems/broken was not scored: ")
    assert "worse/accompaniment.wav cannot be read as audio" in second
    report = json.loads((tmp_path / "r.json").read_text())
    assert list(report["unreadable"]) == ["stems/broken", "stems/worse"]
    assert list(report["instrumentals"]) == ["stems/music"]
    shutil.rmtree(folder / "music")
    assert main(list(map(str, words))) == 2
    assert "broken/accompaniment.wav cannot be read as audio" in capsys.readouterr().err


def test_nor_does_one_that_the_system_refuses_to_open(songs, monkeypatch):
    read = Song.load

    def load(song, *arguments):
        if song.name == "both":
            raise PermissionError(13, "Permission denied", "both/vocals.wav")
        return read(song, *arguments)

    monkeypatch.setattr(Song, "load", load)
    report = evaluate(read_stems(songs), {"unet": Separator("unet")})
    assert list(report["unreadable"].values()) == ["both/vocals.wav: Permission denied"]
    assert report["instrumentals"]


def test_songs_that_a_model_learnt_from_or_was_chosen_by_are_told(
    songs, tmp_path, monkeypatch, capsys
):
    """The score of such a song says nothing of others, nor does what a model lets through of
    music that it learnt to keep silent for."""
    key, music = f"{songs.name}/both", f"{songs.name}/only-accompaniment"
    model = Separator("unet").model
    known = dataclasses.replace(model, heard=("x/y", music, key), validated=(key, "z"))
    monkeypatch.setattr("vocaltrack.separator.load", lambda folder: known)
    words = ["evaluate", "--stems", songs, "--model", "unet", "--json", tmp_path / "r.json"]
    assert main(list(map(str, words))) == 0
    told = capsys.readouterr().err
    assert f"warning: unet learnt from 2 of these songs ({key})" in told
    assert f"1 of these songs ({key}) chose the weights of unet" in told
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["heard"] == {"unet": [key, music]}
    assert report["validated"] == {"unet": [key]}


def test_the_table_shows_median_and_mean(report):
    lines = table(report).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["mixture", "oracle", "unet"]
    median, mean = (report["summary"]["unet"]["SDR"][key] for key in ("median", "mean"))
    assert f"{median:.2f} ({mean:.2f})" in lines[-1]
    accuracy = report["summary"]["unet"]["accuracy"]["median"]
    assert f"| {accuracy:.3f} (" in lines[-1]


def test_the_table_tells_the_median_from_the_mean_and_from_the_worst():
    scores = {"SDR": {"median": 1.0, "mean": 2.5}, "IoU": {"median": 0.1234, "mean": 0.5678}}
    leak = {"instrumental_db": {"median": -30.0, "worst": -10.0}}
    line = table({"songs": {}, "summary": {"unet": scores | leak}}).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:2] == ["unet", "1.00 (2.50)"]
    assert cells[-2:] == ["0.123 (0.568)", "-30.0 (-10.0)"]


@pytest.mark.parametrize(("nothing", "silence"), [(None, None), (np.nan, -np.inf)])
def test_the_table_tells_silence_from_what_is_undefined(nothing, silence):
    """As a report has them, and as JSON has them."""
    scores = {"SDR": {"median": nothing, "mean": 2.5}}
    leak = {"instrumental_db": {"median": silence, "worst": -10.0}}
    line = table({"songs": {}, "summary": {"unet": scores | leak}}).splitlines()[-1]
    assert line.startswith("| unet | – (2.50) |") and line.endswith("| silent (-10.0) |")


def test_a_leaking_model_is_seen_in_the_report(songs):
    """A separator that returns everything must score like the mixture, but for the rumble
    in that."""
    separator = Separator("unet")
    separator.model = dataclasses.replace(separator.model, masks=np.ones_like)
    song = [s for s in read_stems(songs) if s.name == "both"]
    scores = evaluate(song, {"all": separator})["songs"][f"{songs.name}/both"]
    assert scores["all"]["SI-SDR"] == pytest.approx(scores["mixture"]["SI-SDR"], abs=0.02)


@pytest.mark.parametrize("native, undefined", ((False, "SIR"), (True, "SDR, SIR")))
def test_a_system_that_finds_nothing_is_told(songs, native, undefined):
    separator = Separator("unet")
    separator.model = dataclasses.replace(separator.model, masks=np.zeros_like)
    song = [s for s in read_stems(songs) if s.name == "both"]
    report = evaluate(song, {"none": separator}, native)
    told = f"none returned silence for 1 of the songs; their {undefined}, ISR and SAR are undefined"
    assert table(report).splitlines()[-1].startswith(told)
    again = json.loads(json.dumps(report).replace("NaN", "null").replace("-Infinity", "null"))
    assert table(again) == table(report)


def test_a_song_without_a_second_that_museval_scores_is_told(songs):
    """Its SDR is in no median, and nothing else would say so."""
    (song,) = [s for s in read_stems(songs) if s.name == "both"]
    vocals, accompaniment = song.load(16000).values()
    sings = np.arange(len(vocals)) // 16000 % 2 == 0
    apart = SimpleNamespace(key="x/apart", stems=song.stems)
    apart.load = lambda *_: {"vocals": vocals * sings, "accompaniment": accompaniment * ~sings}
    report = evaluate([song, apart], {"unet": Separator("unet")})
    for system in ("mixture", "oracle", "unet"):
        assert np.isnan(report["songs"]["x/apart"][system]["SDR"])
        assert report["summary"][system]["unscored_songs"] == ["x/apart"]
    told = "has no SDR, SIR, ISR and SAR for 1 song (x/apart): in no second of it do both stems"
    lines = [line for line in table(report).splitlines() if line]
    assert [told in line for line in lines[-4:]] == [False, True, True, True]


def test_native_scores_are_musevals_of_what_a_user_gets(tmp_path, example):
    """Stereo at 44.1 kHz with sibilants that a network at 16 kHz does not hear, and so far
    apart that neither channel stands for both."""
    rate, rng = 44100, np.random.default_rng(0)
    stems = {}
    for name, sides in (("vocals", (0.2, 1.0)), ("accompaniment", (1.0, 0.6))):
        mono = soxr.resample(example[name][: 4 * 16000], 16000, rate)
        air = 0.1 * mono * rng.uniform(-1, 1, len(mono))
        stems[name] = (np.outer(mono, sides) + air[:, np.newaxis]).astype(np.float32)
        path = tmp_path / "valid" / "song" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, stems[name], rate, "FLOAT")
    separator = Separator("unet")
    report = evaluate(read_stems(tmp_path), {"unet": separator}, native=True)
    (scores,) = report["songs"].values()
    mixture = sum(stems.values())
    estimate = separator.separate(mixture, rate).vocals
    estimates = np.stack([estimate, mixture - estimate]).astype(float)
    sdr, isr, *_ = museval_metrics.bss_eval(
        np.stack(list(stems.values())).astype(float), estimates, window=rate, hop=rate
    )
    assert scores["unet"]["SDR"] == pytest.approx(np.nanmedian(sdr[0]), abs=1e-3)
    assert scores["unet"]["ISR"] == pytest.approx(np.nanmedian(isr[0]), abs=1e-3)
    for metric in ("SDR", "SI-SDR"):
        floor, model, ceiling = (scores[name][metric] for name in ("mixture", "unet", "oracle"))
        assert floor + 4 < model < ceiling - 1
    assert all(set(score) == set(SOUND_METRICS) for score in scores.values())
    assert "own rate" in report["versions"]["metric"]
    assert table(report).splitlines()[-1].endswith(" | – | – | – | – |")


def test_native_music_without_vocals_is_heard_at_its_own_rate(tmp_path, example):
    rate = 44100
    mono = soxr.resample(example["accompaniment"][: 2 * 16000], 16000, rate)
    music = np.outer(mono, (1.0, 0.6)).astype(np.float32)
    folder = tmp_path / "stems" / "valid" / "music"
    folder.mkdir(parents=True)
    soundfile.write(folder / "accompaniment.wav", music, rate, "FLOAT")
    separator = Separator("unet")
    report = evaluate(read_stems(tmp_path / "stems"), {"unet": separator}, native=True)
    leak = level_db(separator.separate(music, rate).vocals) - level_db(music)
    assert report["instrumentals"]["stems/music"]["unet"] == pytest.approx(leak, abs=1e-3)
