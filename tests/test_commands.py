"""What the commands hand on: every option arrives where it is used."""

import dataclasses
import errno
import inspect
import io
import itertools
import json
import pkgutil
import shutil
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile

from tests.paths import SAVED_MODELS
from vocaltrack.audio import open_audio
from vocaltrack.cli import main
from vocaltrack.config import FeatureConfig
from vocaltrack.contract import CONTRACT_ASSET
from vocaltrack.ffmpeg import Description
from vocaltrack.processor import (
    compute_in_bfloat16,
    is_fast_in_bfloat16,
    warn_if_slow_in_bfloat16,
)
from vocaltrack.records import Manifest

# What `evaluate` returns, as far as the command reads it; with no song.
REPORT = {
    "summary": {},
    "heard": {},
    "validated": {},
    "songs": {},
    "instrumentals": {},
    "left_out": [],
    "unreadable": {},
}


@pytest.fixture
def called(monkeypatch):
    """Stands in for a function and keeps what it is called with: a dict from the names of
    its parameters, which it must have."""

    def replace(name, result=None):
        calls = []
        signature = inspect.signature(pkgutil.resolve_name(name))

        def call(*args, **kwargs):
            calls.append(signature.bind(*args, **kwargs).arguments)
            return result

        monkeypatch.setattr(name, call)
        return calls

    return replace


def run(*words):
    assert main([str(word) for word in words]) == 0


@pytest.fixture
def stems(tmp_path):
    """A song of each split."""
    for split in ("train", "valid"):
        folder = tmp_path / "stems" / split / split
        folder.mkdir(parents=True)
        for name in ("vocals", "accompaniment"):
            soundfile.write(folder / f"{name}.wav", np.full(16000, 0.1), 16000)
    return tmp_path / "stems"


def test_prepare(called, stems, capsys):
    counts = {"train": {"true": 7, "instrumental": 1}, "valid": {"true": 4}}
    shards = {"train": [{"bytes": 2_000_000}, {"bytes": 500_000_000}]}
    songs = {"train": ["a"], "valid": ["b", "c"]}
    manifest = Manifest(None, (), (), shards, songs, counts, 3)
    calls = called("vocaltrack.prepare.prepare", manifest)
    words = ["--train-chunks", 8, "--valid-chunks", 4, "--n-fft", 512, "--seed", 3, "--jobs", 5]
    run("prepare", "--stems", stems, "-o", "records", *words)
    (given,) = calls
    assert [song.split for song in given.pop("songs")] == ["train", "valid"]
    assert given.pop("features").n_fft == 512
    chunks = {"train": 8, "valid": 4}
    assert given == {"folder": "records", "chunks": chunks, "seed": 3, "workers": 5}
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "train: 1 song, chunks: 7 true, 1 instrumental",
        "valid: 2 songs, chunks: 4 true",
        "records: 0.50 GB",
    ]
    (warning,) = printed.err.splitlines()
    assert warning.startswith("warning: one song alone trains")


@pytest.mark.parametrize(("train", "valid"), [(64000, 2048), (8192, 2048), (402, 101), (1, 1)])
def test_a_quarter_as_many_chunks_validate_up_to_2048(called, stems, train, valid):
    calls = called("vocaltrack.prepare.prepare", Manifest(None, (), (), {}, {}, {}, 0))
    run("prepare", "--stems", stems, "-o", "records", "--train-chunks", train)
    assert calls[0]["chunks"] == {"train": train, "valid": valid}


@pytest.mark.parametrize(
    ("content", "code"),
    [('{"mean": []}', 2), ("a note", 2), ("[]", 2), ("", 0), ('{"summary": {}}', 0)],
)
def test_a_report_takes_the_place_of_a_report_alone(
    called, stems, tmp_path, monkeypatch, capsys, content, code
):
    """Not of a run.json, say, without which nothing goes on."""
    monkeypatch.setattr("vocaltrack.separator.Separator", lambda *args: args)
    called("vocaltrack.evaluation.evaluate", REPORT)
    path = tmp_path / "run.json"
    path.write_text(content)
    words = ["evaluate", "--stems", stems, "--model", "hdc", "--json", path]
    assert main(list(map(str, words))) == code
    refused = f"{path} exists and is no report; give another name" in capsys.readouterr().err
    assert refused == (code == 2) == (path.read_text() == content)


@pytest.mark.parametrize(
    "name", ["vocals.wav", "../valid/vocals.wav", "../../train/train/vocals.wav", "link.json"]
)
def test_a_report_does_not_take_the_place_of_a_recording(stems, monkeypatch, capsys, name):
    monkeypatch.setattr("vocaltrack.commands._load", None)
    folder = stems / "valid" / "valid"
    (folder / "link.json").symlink_to(folder / "accompaniment.wav")
    before = {path: path.read_bytes() for path in stems.rglob("*.*")}
    words = ["evaluate", "--stems", stems, "--model", "unet", "--json", folder / name]
    assert main(list(map(str, words))) == 2
    assert "is named as a recording is; give the report another name" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in stems.rglob("*.*")} == before


def test_a_report_does_not_take_the_place_of_a_models_file(stems, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vocaltrack.commands._load", None)
    monkeypatch.chdir(tmp_path)
    model = shutil.copytree(SAVED_MODELS / "unet", tmp_path / "model")
    before = (model / CONTRACT_ASSET).read_bytes()
    for folder in (model, Path("model")):
        words = ["evaluate", "--stems", stems, "--model", folder, "--json", folder / CONTRACT_ASSET]
        assert main(list(map(str, words))) == 2
        assert "lies in the folder of a model; give the report another" in capsys.readouterr().err
        assert (model / CONTRACT_ASSET).read_bytes() == before


@pytest.mark.parametrize("words", [["prepare", "-o", "r"], ["evaluate", "--model", "unet"]])
def test_a_song_that_two_datasets_put_into_other_splits_is_refused(
    tmp_path, monkeypatch, capsys, words
):
    monkeypatch.setattr("vocaltrack.commands._load", None)
    for root, split in (("a", "train"), ("b", "valid")):
        folder = tmp_path / root / "stems" / split / "song"
        folder.mkdir(parents=True)
        (folder / "accompaniment.wav").touch()
        words = [*words, "--stems", str(tmp_path / root / "stems")]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "stems/song" in line


def test_the_folder_one_stands_in_is_not_replaced(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "run", f"../{tmp_path.name}"]) == 2
    assert "is, or holds, the folder that this runs in; give another" in capsys.readouterr().err
    (tmp_path / "model" / "assets").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "model" / "assets")
    assert main(["export", "../../run", ".."]) == 2
    assert ".. is, or holds, the folder that this runs in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "rest"),
    [
        (["prepare", "-o", "records"], "; the same command goes on where it was"),
        (["evaluate", "--split", "valid", "--model", "unet"], ""),
    ],
)
def test_an_interrupted_command_says_whether_it_goes_on(
    stems, tmp_path, monkeypatch, capsys, words, rest
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vocaltrack.commands._load", Mock(side_effect=KeyboardInterrupt))
    code = main([*words, "--stems", str(stems)])
    assert (code, capsys.readouterr().err) == (130, f"vocaltrack: interrupted{rest}\n")


def test_what_was_prepared_is_not_an_error_where_nobody_reads(called, stems, monkeypatch):
    called("vocaltrack.prepare.prepare", Manifest(None, (), (), {}, {}, {}, 3))
    unread = io.StringIO()
    monkeypatch.setattr(unread, "write", Mock(side_effect=BrokenPipeError))
    monkeypatch.setattr("sys.stdout", unread)
    run("prepare", "--stems", stems, "-o", "records")


def test_songs_that_another_dataset_holds_out_are_left_out_aloud(called, tmp_path, capsys):
    names = {"dsd": ("vocals", "bass", "drums", "other"), "musdb": ()}
    for split, title in (("Dev", "1 - A - x"), ("Dev", "2 - B - y"), ("Test", "3 - C - z")):
        for name in names["dsd"]:
            path = tmp_path / "dsd" / "Sources" / split / title / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for subset, title in (("train", "D - x"), ("test", "A - x")):
        path = tmp_path / "musdb" / subset / f"{title}.stem.mp4"
        path.parent.mkdir(parents=True)
        path.touch()
    calls = called("vocaltrack.prepare.prepare", Manifest(None, (), (), {}, {}, {}, 0))
    run("prepare", "--dsd100", tmp_path / "dsd", "--musdb", tmp_path / "musdb", "-o", "r")
    assert "DSD100/1 - A - x" not in {song.key for song in calls[0]["songs"]}
    assert len(calls[0]["songs"]) == 4
    assert capsys.readouterr().out.startswith(
        "1 song left out, whose artists another split holds out"
    )


@pytest.fixture
def training(called):
    """The calls of `train`, for records and runs that are taken for whole."""
    called("vocaltrack.records.Manifest.load")
    called("vocaltrack.runs.read_run")
    return called("vocaltrack.training.train")


def test_training(training):
    common = ["--records", "r", "--preset", "compact", "--dropout", 0.2, "--optimizer", "adam"]
    common += ["--learning-rate", 0.01, "--decay", "cosine", "--batch-size", 3, "--epochs", 4]
    common += ["--steps-per-epoch", 5, "--patience", 6, "--precision", "mixed_bfloat16"]
    common += ["--power-exponent", 0.5, "--seed", 7, "--initial", "i"]
    extra = ["--embedding-weight", 0.3, "--target-columns", 1]
    hybrid = ["--clustering-dropout", 0.4, "--fine-tune"]
    run("train-clustering", "--model", "hdc", "--run", "h", *common, *extra)
    run("train-unet", "--model", "uhnet", "--run", "u", *common, "--clustering", "c", *hybrid)
    given = (list(call.values())[:-1] for call in training)  # all but how much it prints
    (hdc, network, *places), (uhnet, unet, *other_places) = given
    for config in (hdc, uhnet):
        assert (config.optimizer, config.learning_rate, config.decay) == ("adam", 0.01, "cosine")
        assert (config.batch_size, config.epochs, config.steps_per_epoch) == (3, 4, 5)
        assert (config.patience, config.precision, config.seed) == (6, "mixed_bfloat16", 7)
        assert config.power_exponent == 0.5
    assert (hdc.model, hdc.embedding_weight, hdc.target_columns) == ("hdc", 0.3, 1)
    assert (uhnet.model, uhnet.embedding_weight, uhnet.target_columns) == ("uhnet", 0.5, 2)
    assert (network.units, network.dropout, unet.style, unet.dropout) == (128, 0.2, "strided", 0.2)
    assert (unet.clustering_dropout, unet.fine_tuned, unet.filters) == (0.4, True, 16)
    assert places == ["r", "h", None, "i"] and other_places == ["r", "u", "c", "i"]


@pytest.mark.parametrize(("terminal", "verbose"), [(True, "auto"), (False, 2)])
def test_in_a_log_a_training_prints_a_line_for_each_epoch(training, monkeypatch, terminal, verbose):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    run("train-unet", "--records", "r", "--run", "u", "--model", "unet")
    assert [call["verbose"] for call in training] == [verbose]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "uhnet", "--clustering", "dc"], "dc holds a dc; here it must be hdc"),
        (["--model", "unet", "--initial", "uhnet"], "uhnet holds a uhnet; here it must be unet"),
        (["--model", "uhnet", "--initial", "dc"], "dc holds a dc; here it must be unet or uhnet"),
    ],
)
def test_a_run_of_another_network_is_refused_before_tensorflow_loads(
    words, told, called, runs, monkeypatch, capsys
):
    called("vocaltrack.records.Manifest.load")
    loaded = called("vocaltrack.commands._load")
    monkeypatch.chdir(runs)
    assert main(["train-unet", "--records", "r", "--run", "u", *words]) == 2
    assert capsys.readouterr().err == f"vocaltrack: error: {told}\n"
    assert not loaded


@pytest.mark.parametrize(("size", "style"), [("compact", "strided"), ("paper", "double")])
@pytest.mark.parametrize("model", ["unet", "uhnet"])
def test_a_unet_of_other_filters(training, model, size, style):
    words = ["--model", model, "--records", "r", "--run", "u", "--preset", size]
    run("train-unet", *words, "--filters", 32)
    assert (training[0]["network"].filters, training[0]["network"].style) == (32, style)


@pytest.mark.parametrize("words", (["--fine-tune"], ["--clustering-dropout", "0.1"]))
def test_a_unet_takes_nothing_that_is_for_the_hdc_inside_a_uhnet(words, capsys):
    given = ["train-unet", "--model", "unet", "--records", "r", "--run", "u", *words]
    assert main(given) == 2
    assert capsys.readouterr().err.startswith("vocaltrack: error: a unet holds no hdc; leave")


def test_export(called, tmp_path):
    songs = {"train": ["a/b"], "valid": ["v/w"]}
    description = {"features": FeatureConfig(), "songs": songs, "heard": ["p/q"]}
    called("vocaltrack.runs.read_run")
    loaded = called("vocaltrack.runs.load_run", (SimpleNamespace(name="unet"), description))
    exported = called("vocaltrack.export.export")
    run("export", "r", tmp_path / "best")
    run("export", "r", tmp_path / "last", "--last")
    assert loaded == [{"run": "r", "last": False}, {"run": "r", "last": True}]
    assert [given["heard"] for given in exported] == [["a/b", "p/q"]] * 2
    assert [given["validated"] for given in exported] == [["v/w"], []]


def test_evaluate(called, stems, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("vocaltrack.separator.Separator", lambda *args: made.append(args))
    calls = called("vocaltrack.evaluation.evaluate", REPORT)
    words = ["--split", "valid", "--model", "hdc", "--model", "hdc:clusters"]
    run("evaluate", "--stems", stems, *words, "--json", tmp_path / "report.json")
    songs, separators, native = calls[0].values()
    assert [song.name for song in songs] == ["valid"]
    assert list(separators) == ["hdc", "hdc:clusters"]
    assert made == [("hdc", None), ("hdc", "clusters")] and not native
    run("evaluate", "--stems", stems, "--model", "hdc", "--native")
    assert calls[1]["native"]
    assert json.loads((tmp_path / "report.json").read_text()) == REPORT


def test_how_much_was_scored_is_said(called, stems, monkeypatch, capsys):
    monkeypatch.setattr("vocaltrack.separator.Separator", lambda *args: args)
    some = {"songs": {"a": {}, "b": {}}, "instrumentals": {"c": {}}, "left_out": ["d", "e", "f"]}
    called("vocaltrack.evaluation.evaluate", REPORT | some)
    run("evaluate", "--stems", stems, "--model", "hdc")
    said = "valid: 2 songs, 1 instrumental, 3 left out for want of music that sounds\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("error", "code"), [(BrokenPipeError, 0), (OSError(errno.ENOSPC, "full"), 2)]
)
def test_scores_are_kept_where_nobody_reads_the_table(
    called, stems, tmp_path, monkeypatch, error, code
):
    """As in `vocaltrack evaluate ... | head -1`: hours of scoring are not lost."""
    monkeypatch.setattr("vocaltrack.separator.Separator", lambda *args: args)
    called("vocaltrack.evaluation.evaluate", REPORT)
    monkeypatch.setattr("sys.stdout", Mock(write=Mock(side_effect=error)))
    words = ["--model", "hdc", "--json", str(tmp_path / "report.json")]
    assert main(["evaluate", "--stems", str(stems), *words]) == code
    assert json.loads((tmp_path / "report.json").read_text()) == REPORT


def test_separate(fake, song, tmp_path, monkeypatch, called, capsys):
    made, clock = [], itertools.count(0, 0.25)  # the song lasts four times as long
    monkeypatch.setattr(
        "vocaltrack.separate_command.time", SimpleNamespace(perf_counter=clock.__next__)
    )
    monkeypatch.setattr(fake, "__init__", lambda self, *args: made.append(args))
    loaded = called("vocaltrack.separate_command.load_tensorflow")
    words = ["--model", "hdc", "--method", "clusters", "--phase", "griffinlim", "--swap"]
    run("separate", *words, "--overlap", 0.5, "--jobs", 2, "-v", song, tmp_path / "v.wav")
    assert made == [("hdc", "clusters", "griffinlim", True, 0.5)]
    assert loaded == [{"cores": 2, "verbose": True}]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("TensorFlow loaded in ") and lines[1].startswith("hdc loaded in ")
    assert lines[-1].endswith("44100 Hz, 2 channels, 4.0 times real time")


TRACKS = "holds 2 audio tracks, of which the first was separated"
GAPS = (
    "is 60.00 s long by its header, its sound 1.00 s; it begins later, has gaps or ends before, "
    "and what was written is the sound alone"
)


@pytest.mark.parametrize(
    ("cut", "film", "told"),
    [
        ([], Description(2, 60.0, False, None), [TRACKS, GAPS]),
        (["--start", 0.6], Description(2, 60.0, False, None), [TRACKS, GAPS]),
        (["--duration", 0.5], Description(2, 60.0, False, None), [TRACKS]),
        ([], Description(1, 60.0, True, None), []),
    ],
    ids=["whole", "start", "duration", "guess"],
)
def test_what_a_film_holds_besides_is_said(
    fake, song, tmp_path, monkeypatch, capsys, cut, film, told
):
    def opened(*args):
        return dataclasses.replace(open_audio(*args), subtype=None)

    def decoded(path, _):
        yield soundfile.read(path, dtype="float32", always_2d=True)[0]

    monkeypatch.setattr("vocaltrack.audio.open_audio", opened)
    monkeypatch.setattr("vocaltrack.ffmpeg.decode", decoded)
    monkeypatch.setattr("vocaltrack.ffmpeg.describe", lambda path: film)
    run("separate", song, tmp_path / "v.wav", *cut)
    lines = [f"warning: {song}: {line}" for line in told]
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize(
    ("vendor", "flags", "is_faster"),
    [
        ("GenuineIntel", "fpu amx_bf16 avx512_bf16", True),
        ("GenuineIntel", "fpu avx512_bf16", False),
        ("AuthenticAMD", "fpu avx512_bf16", True),
        ("AuthenticAMD", "fpu avx2", False),
    ],
)
def test_bfloat16_is_for_processors_that_are_faster_in_it(
    monkeypatch, capsys, vendor, flags, is_faster
):
    import tensorflow as tf

    asked = []
    optimizer = SimpleNamespace(set_experimental_options=asked.append)
    monkeypatch.setattr(tf.config, "optimizer", optimizer)
    information = f"vendor_id : {vendor}\nflags : {flags}\n"
    monkeypatch.setattr(Path, "read_text", lambda path, errors: information)
    compute_in_bfloat16()
    assert asked == ([{"auto_mixed_precision_onednn_bfloat16": True}] if is_faster else [])
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    warn_if_slow_in_bfloat16()
    warning = capsys.readouterr().err
    assert ("may train many times slower" in warning) is not is_faster
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    warn_if_slow_in_bfloat16()
    assert capsys.readouterr().err == ""


def test_a_processor_that_nothing_tells_of_is_not_taken_for_fast_in_bfloat16(monkeypatch):
    monkeypatch.setattr(Path, "read_text", Mock(side_effect=FileNotFoundError))
    assert not is_fast_in_bfloat16()


def test_training_in_bfloat16_is_warned_of_and_float32_is_not(training, monkeypatch):
    warned = []
    monkeypatch.setattr("vocaltrack.commands.warn_if_slow_in_bfloat16", lambda: warned.append(1))
    for precision in ("float32", "mixed_bfloat16"):
        run("train-unet", "--records", "r", "--run", "u", "--precision", precision)
    assert warned == [1]
