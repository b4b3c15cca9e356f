"""The command line: bad input in one line, exit code 2, nothing left behind."""

import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from tests.paths import EXAMPLE, REPOSITORY
from vocaltrack.cli import build_parser, main
from vocaltrack.errors import UserError

SCRIPTS = ("separate", "evaluate", "prepare_data", "train_clustering", "train_unet")


def run(capsys, *words):
    """Exit code and stderr of a command that must print one line at most."""
    code = main([str(word) for word in words])
    error = capsys.readouterr().err
    return code, error


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    noise = np.random.default_rng(0).normal(0, 0.1, (44100, 2))
    soundfile.write(path, noise, 44100, subtype="PCM_24")
    return path


def bad_inputs(folder):
    (folder / "text.wav").write_text("this is no audio")
    (folder / "empty.wav").touch()
    (folder / "cut.flac").write_bytes((EXAMPLE / "mixture.flac").read_bytes()[:20])
    soundfile.write(folder / "nothing.wav", np.zeros((0, 1)), 16000)
    soundfile.write(folder / "nan.wav", np.full(100, np.nan), 16000, subtype="FLOAT")
    return ["text.wav", "empty.wav", "cut.flac", "nothing.wav", "nan.wav", "absent.wav", "."]


@pytest.mark.parametrize("number", range(7))
def test_bad_input_is_one_line_and_leaves_nothing(capsys, tmp_path, number):
    name = bad_inputs(tmp_path)[number]
    before = sorted(tmp_path.iterdir())
    code, error = run(capsys, "separate", "--model", "unet", tmp_path / name, tmp_path / "out.wav")
    assert code == 2
    assert error.startswith("vocaltrack: error: ") and error.count("\n") == 1
    assert name in error or str(tmp_path) in error
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "nosuch", "{song}", "{dir}/out.wav"], "no model 'nosuch'"),
        (["--model", "{dir}", "{song}", "{dir}/out.wav"], "no SavedModel of vocaltrack"),
        (["--model", "unet", "{song}", "{dir}/out.xyz"], "no audio format"),
        (["--model", "unet", "{song}", "{dir}/absent/out.wav"], "is no folder"),
        (["--model", "unet", "{song}", "{dir}"], "is a folder"),
        (["--model", "unet", "{song}", "{song}"], "different files"),
        (["--model", "unet", "--method", "clusters", "{song}", "{dir}/o.wav"], "has no clusters"),
        (["--model", "unet", "--swap", "{song}", "{dir}/o.wav"], "only clusters"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(capsys, tmp_path, song, words, message):
    words = [word.format(song=song, dir=tmp_path) for word in words]
    before = song.read_bytes()
    code, error = run(capsys, "separate", *words)
    assert code == 2
    assert message in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [song]
    assert song.read_bytes() == before


def test_a_missing_model_is_named(capsys, tmp_path, song, monkeypatch):
    monkeypatch.setattr("vocaltrack.contract.__file__", str(tmp_path / "a" / "b" / "contract.py"))
    monkeypatch.chdir(tmp_path)
    code, error = run(capsys, "separate", "--model", "uhnet", song, tmp_path / "out.wav")
    assert code == 2
    assert "the model uhnet is missing" in error


def test_an_unwritable_folder_is_refused(capsys, song):
    code, error = run(capsys, "separate", "--model", "unet", song, "/proc/out.wav")
    assert code == 2
    assert "/proc cannot be written" in error and error.count("\n") == 1


def test_separate_keeps_format_rate_channels_and_length(capsys, tmp_path, song):
    vocals, rest = tmp_path / "vocals.wav", tmp_path / "rest.flac"
    code = main(
        ["separate", "--model", "unet", str(song), str(vocals), "--accompaniment", str(rest)]
    )
    assert code == 0
    for path in (vocals, rest):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames) == (44100, 2, 44100)
        assert info.subtype == "PCM_24"
    total = soundfile.read(vocals)[0] + soundfile.read(rest)[0]
    np.testing.assert_allclose(total, soundfile.read(song)[0], atol=2.0 / 2**23)
    assert {p.name for p in tmp_path.iterdir()} == {"song.wav", "vocals.wav", "rest.flac"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_fast_and_loads_no_tensorflow(script):
    code = (
        "import sys, runpy; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_path({script + '.py'!r}, run_name='__main__')\n"
        "except SystemExit as e: assert e.code == 0\n"
        "assert not {'tensorflow', 'keras', 'numpy', 'librosa'} & set(sys.modules)"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert time.monotonic() - start < 2.0
    assert b"--" in done.stdout


def test_importing_the_package_loads_no_tensorflow():
    code = "import sys, vocaltrack; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_dataset_and_absent_folders_are_refused(capsys, tmp_path):
    code, error = run(capsys, "prepare", "-o", tmp_path / "records")
    assert code == 2 and "no dataset given" in error
    code, error = run(capsys, "prepare", "--mir1k", tmp_path / "absent", "-o", tmp_path / "records")
    assert code == 2 and "is no folder" in error
    code, error = run(capsys, "train-unet", "--records", tmp_path, "--run", tmp_path / "run")
    assert code == 2 and "manifest.json" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dropout", "1.5"], "1.5 is not a number from 0.0 to 0.95"),
        (["--seed", "-1"], "-1 is not a number from 0 to"),
        (["--learning-rate", "0"], "0 is not a number from 1e-09"),
        (["--embedding-weight", "2"], "2 is not a number from 0.0 to 1.0"),
        (["--epochs", "many"], "invalid whole number value: 'many'"),
    ],
)
def test_options_out_of_range_are_refused(capsys, words, message):
    with pytest.raises(SystemExit) as exit_:
        main(["train-clustering", "--records", "r", "--run", "r", *words])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_help_explains_every_option():
    subparsers = build_parser()._subparsers._group_actions[0].choices
    assert set(subparsers) == {
        "separate",
        "evaluate",
        "prepare",
        "train-clustering",
        "train-unet",
        "export",
    }
    for name, parser in subparsers.items():
        for action in parser._actions:
            assert action.help, f"{name} {action.dest}"


def test_a_name_with_a_newline_stays_one_line(capsys, tmp_path):
    code, error = run(capsys, "separate", tmp_path / "a\nb.wav", tmp_path / "out.wav")
    assert code == 2 and error.count("\n") == 1


def test_a_name_that_is_too_long_is_one_line(capsys, tmp_path):
    code, error = run(capsys, "separate", tmp_path / ("a" * 300), tmp_path / "out.wav")
    assert code == 2 and error.count("\n") == 1


def test_export_never_replaces_a_folder_of_something_else(capsys, tmp_path, monkeypatch):
    from vocaltrack.savedmodel import export

    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(UserError, match="is no SavedModel of vocaltrack"):
        export(None, None, tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_an_unwritable_json_is_refused_before_the_work(capsys, tmp_path):
    words = ["evaluate", "--stems", EXAMPLE.parent, "--model", "unet"]
    code, error = run(capsys, *words, "--json", tmp_path / "absent" / "report.json")
    assert code == 2 and "absent is no folder" in error
    code, error = run(capsys, *words, "--json", tmp_path)
    assert code == 2 and "is a folder" in error
