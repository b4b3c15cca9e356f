"""The command line: bad input in one line, exit code 2, nothing left behind."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.paths import EXAMPLE, REPOSITORY, SAVED_MODELS
from vocaltrack.cli import build_parser, main
from vocaltrack.config import FeatureConfig
from vocaltrack.errors import UserError
from vocaltrack.records import Manifest
from vocaltrack.separate_command import _separate_one


def run(capsys, *words):
    """Exit code and stderr of a command that must print one line at most."""
    code = main([str(word) for word in words])
    error = capsys.readouterr().err
    return code, error


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
        (["--model", "unet", "{song}"], "one input and one output file"),
        (["--model", "unet", "{song}", "{dir}/a.wav", "{dir}/b.wav"], "any inputs and -o DIR"),
        (["--model", "unet", "{song}", "-o", "{dir}/o", "--accompaniment", "x"], "leave --acc"),
        (["--model", "unet", "{song}", "{dir}/out.wav", "--stem", "accompaniment"], "with -o"),
        (["--model", "unet", "{song}", "{dir}/out.wav", "--filename", "x.wav"], "with -o"),
        (["--model", "unet", "{song}", "-o", "{dir}/o", "--filename", "{{x}}"], "{{x}} is unknown"),
        (["--model", "unet", "{dir}", "-o", "{dir}"], "is where the outputs go"),
        (["--model", "unet", "{song}", ""], "a file without a name"),
        (["--model", "unet", "{song}", "{dir}/o.wav", "--accompaniment", ""], "without a name"),
        (["--model", "unet", "{song}", "-o", ""], "folder without a name"),
        (["{song}", "--model", "nosuch", "{dir}/o.wav"], "no model 'nosuch'"),
        (["--model", "unet", "{song}", "{dir}/o.wav", "--start", "1"], "before --start 1"),
        (
            ["--model", "unet", "{song}", "{dir}/o.flac", "--subtype", "float"],
            "cannot be written as FLOAT",
        ),
        (["--model", "unet", "{song}", "{dir}/o.flac", "--clip", "float"], "no floating point"),
        (["{song}", "-o", "{dir}/o", "--subtype", "nosuch"], "cannot be written as NOSUCH"),
        (["{song}", "-o", "{dir}/o", "--clip", "float", "--subtype", "pcm_16"], "leave one out"),
        (["{dir}/absent.wav", "-o", "{dir}/o"], "no such file"),
        (["--model", "unet", "--method", "clusters", "{song}", "{dir}/o.wav"], "has no clusters"),
        (["--model", "unet", "--swap", "{song}", "{dir}/o.wav"], "only clusters"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(capsys, tmp_path, song, words, message):
    words = [word.format(song=song, dir=tmp_path) for word in words]
    before = song.read_bytes()
    code, error = run(capsys, "separate", *words)
    assert code == 2
    assert message.format() in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [song]
    assert song.read_bytes() == before


def test_a_missing_model_is_named(capsys, tmp_path, song, monkeypatch):
    monkeypatch.setattr("vocaltrack.contract.__file__", str(tmp_path / "a" / "b" / "contract.py"))
    code, error = run(capsys, "separate", "--model", "uhnet", song, tmp_path / "out.wav")
    assert code == 2
    assert "the model uhnet is missing" in error


def test_an_unwritable_folder_is_refused(capsys, song):
    code, error = run(capsys, "separate", "--model", "unet", song, "/proc/out.wav")
    assert code == 2
    assert "/proc cannot be written" in error and error.count("\n") == 1


def test_what_a_renamed_file_would_take_the_place_of_is_refused(
    capsys, tmp_path, song, monkeypatch
):
    pipe, fixed = tmp_path / "pipe.wav", tmp_path / "fixed.wav"
    os.mkfifo(pipe)
    code, error = run(capsys, "separate", "--model", "unet", song, pipe)
    assert code == 2 and "pipe.wav is no ordinary file" in error
    assert pipe.is_fifo()
    fixed.write_bytes(b"mine")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != fixed)
    code, error = run(capsys, "separate", "--model", "unet", song, fixed)
    assert code == 2 and "fixed.wav is read-only" in error
    assert fixed.read_bytes() == b"mine"


@pytest.mark.parametrize("where", ["/dev/full", "closed"])
def test_files_are_separated_though_nobody_can_be_told(where, tmp_path, song, fake, monkeypatch):
    if where == "closed":
        reading, writing = os.pipe()
        os.close(reading)
    else:
        writing = os.open(where, os.O_WRONLY)
    with open(writing, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        (tmp_path / "broken.wav").write_bytes(b"no sound")
        words = ["separate", song, tmp_path / "broken.wav", "-o", tmp_path / "out"]
        assert main(list(map(str, words))) == 1
        with contextlib.suppress(OSError):
            stream.close()
    assert (tmp_path / "out" / "song" / "vocals.wav").exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("7.5", 7.5), ("0:07.5", 7.5), ("61:00", 3660), ("1:02:03", 3723)]
)
def test_times_may_be_written_as_a_clock_shows_them(text, seconds):
    words = ["separate", "in.wav", "out.wav", "--start", text, "--duration", text]
    options = build_parser().parse_args(words)
    assert (options.start, options.duration) == (seconds, seconds)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train-unet", "--records", "records", "--run", ""], "--run: a folder without a name"),
        (["prepare", "--stems", "stems", "-o", ""], "-o/--output: a folder without a name"),
        (["export", "run", ""], "output: a folder without a name"),
        (["prepare", "--stems", "", "-o", "records"], "--stems: a folder without a name"),
        (["evaluate", "--stems", "s", "--model", "unet", "--json", ""], "a file without a name"),
        (["evaluate", "--stems", "s", "--model", ""], "--model: a model without a name"),
        (["export", "run", os.fsdecode(b"caf\xe9")], "caf\\udce9' is no UTF-8; rename"),
    ],
)
def test_folders_without_a_name_or_with_an_odd_one_are_refused(capsys, words, message):
    try:
        code, error = run(capsys, *words)
    except SystemExit as left:
        code, error = left.code, capsys.readouterr().err
    assert code == 2 and message in error and error.count("\n") == 1


def test_a_cache_without_a_folder_is_one_line(capsys, monkeypatch):
    def no_cache(options):
        raise RuntimeError("cannot cache function '__o_fold': no locator available for file")

    monkeypatch.setattr("vocaltrack.commands.prepare", no_cache)
    code, error = run(capsys, "prepare", "--stems", "stems", "-o", "records")
    assert code == 2 and "let NUMBA_CACHE_DIR name one" in error and error.count("\n") == 1


def test_a_missing_package_is_one_line_with_the_way_out(capsys, monkeypatch):
    def absent(options):
        raise ModuleNotFoundError("No module named 'soundfile'", name="soundfile")

    monkeypatch.setattr("vocaltrack.commands.separate", absent)
    code, error = run(capsys, "separate", "a.wav", "b.wav")
    assert code == 2 and error.count("\n") == 1
    assert "soundfile is not installed for" in error and ".venv/bin/activate" in error


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


@pytest.mark.parametrize("broken", ["text", "cut"])
def test_one_broken_file_of_several_gives_1_and_the_others_are_written(
    capsys, tmp_path, song, fake, broken
):
    bad = tmp_path / "bad.flac"
    soundfile.write(bad, np.random.default_rng(0).normal(0, 0.1, 400000), 44100)
    bad.write_bytes(b"no audio" if broken == "text" else bad.read_bytes()[:-9999])
    other = tmp_path / "other.wav"
    other.write_bytes(song.read_bytes())
    words = ["separate", song, bad, other, tmp_path / "absent.wav", "-o", tmp_path / "out"]
    code, error = run(capsys, *words)
    assert code == 1
    lines = error.splitlines()
    assert lines[0] == "2 of 4 files were separated"
    assert [line.startswith("vocaltrack: error: ") for line in lines[1:]] == [True, True]
    assert "bad.flac" in lines[1] and "absent.wav: no such file" in lines[2]
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("out/**/*")) == [
        "out/other",
        "out/other/accompaniment.wav",
        "out/other/vocals.wav",
        "out/song",
        "out/song/accompaniment.wav",
        "out/song/vocals.wav",
    ]


def test_a_file_that_outgrows_the_memory_does_not_keep_others_from_being_separated(
    capsys, tmp_path, song, fake, monkeypatch
):
    other = tmp_path / "other.wav"
    other.write_bytes(song.read_bytes())
    stream = fake.stream

    def short_of_memory(*args):
        monkeypatch.setattr(fake, "stream", stream)
        raise MemoryError

    monkeypatch.setattr(fake, "stream", short_of_memory)
    code, error = run(capsys, "separate", song, other, "-o", tmp_path / "out")
    assert code == 1
    summary, failure = error.splitlines()
    assert summary == "1 of 2 files were separated"
    assert f"{song}: too little memory for 2 channels at 44100 Hz" in failure
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other"]


def test_what_failed_before_an_interrupt_is_told(capsys, tmp_path, song, fake, monkeypatch):
    def separate_one(separator, job, options, file):
        if job.source.name == "last.wav":
            raise KeyboardInterrupt
        return _separate_one(separator, job, options, file)

    monkeypatch.setattr("vocaltrack.separate_command._separate_one", separate_one)
    words = ["separate", tmp_path / "absent.wav", song, tmp_path / "last.wav", "-o", tmp_path]
    code, error = run(capsys, *words)
    assert code == 130
    summary, failure, end = error.splitlines()
    assert summary == "1 of 3 files were separated"
    assert "absent.wav: no such file" in failure and end == "vocaltrack: interrupted"


@pytest.mark.parametrize("names", [["song"], ["other", "song"]])
def test_many_files_one_stem_and_a_pattern(capsys, tmp_path, song, fake, names):
    (tmp_path / "other.wav").write_bytes(song.read_bytes())
    words = [*(tmp_path / f"{name}.wav" for name in names), "-o", tmp_path / "a" / "b", "--quiet"]
    words += ["--stem", "accompaniment", "--start", "0.25", "--duration", "0.5"]
    words += ["--filename", "{track}-{stem}.flac"]
    assert main(["separate", *map(str, words)]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
    paths = sorted((tmp_path / "a" / "b").iterdir())
    assert [path.name for path in paths] == [f"{name}-accompaniment.flac" for name in names]
    for path in paths:
        written = soundfile.read(path)[0]
        np.testing.assert_allclose(written, soundfile.read(song)[0][11025:33075] / 2, atol=2**-24)


def test_format_and_clipping_are_those_asked_for_in_each_of_many(capsys, tmp_path, fake):
    fake.factor = 4.0
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.full(1000, 0.5), 16000)
    words = [tmp_path / "a.wav", tmp_path / "b.wav", "-o", tmp_path / "out", "--stem", "vocals"]
    words += ["--subtype", "pcm_24", "--clip", "clamp"]
    assert main(["separate", *map(str, words)]) == 0
    warned = capsys.readouterr().err.splitlines()
    for name, warning in zip("ab", warned, strict=True):
        assert f"{name}/vocals.wav: clipped; --clip rescale keeps the peaks" in warning
        assert soundfile.info(tmp_path / "out" / name / "vocals.wav").subtype == "PCM_24"


def test_a_single_broken_file_gives_2_and_leaves_no_folder(capsys, tmp_path, fake):
    (tmp_path / "bad.wav").write_text("no audio")
    code, error = run(capsys, "separate", tmp_path / "bad.wav", "-o", tmp_path / "a" / "b")
    assert code == 2
    assert error.startswith("vocaltrack: error: ") and error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["bad.wav"]


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ("rescale", "output made quieter by 6.02 dB"),
        ("clamp", "v.wav: clipped; --clip rescale keeps the peaks"),
        ("float", None),
    ],
)
def test_peaks_are_told(capsys, tmp_path, fake, clip, message):
    fake.factor = 4.0
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, np.full(1000, 0.5), 16000)
    assert main(["separate", str(loud), str(tmp_path / "v.wav"), "--clip", clip]) == 0
    printed = capsys.readouterr()
    assert "v.wav: vocals of 0.06 s by hdc, head" in printed.out
    assert len(printed.out.splitlines()) == 1
    warned = printed.err.splitlines()
    assert len(warned) == (message is not None)
    assert all(line.startswith("warning: ") and message in line for line in warned)
    assert main(["separate", "-q", str(loud), str(tmp_path / "v.wav"), "--clip", clip]) == 0
    assert capsys.readouterr() == ("", printed.err)
    peak = {"rescale": 1.0, "clamp": 1.0, "float": 2.0}[clip]
    assert np.abs(soundfile.read(tmp_path / "v.wav")[0]).max() == pytest.approx(peak, abs=2**-14)


def test_silent_vocals_are_told(capsys, tmp_path, song, fake):
    fake.factor = 0.0
    assert main(["separate", str(song), str(tmp_path / "v.wav")]) == 0
    assert "no vocals were found" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_name_that_is_no_utf8_is_separated_and_printed(capsys, tmp_path, song, fake):
    odd = os.path.join(os.fsencode(tmp_path), b"\xff.wav")
    try:
        os.link(song, odd)
    except OSError:
        pytest.skip("no such names in this file system")
    assert main(["separate", os.fsdecode(odd), "-o", str(tmp_path / "out")]) == 0
    assert r"out/\udcff/vocals.wav: vocals" in capsys.readouterr().out
    folder = os.path.join(os.fsencode(tmp_path), b"out/\xff")
    assert sorted(os.listdir(folder)) == [b"accompaniment.wav", b"vocals.wav"]


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
        (["--start", "-1"], "-1 is not from 0 to 1e+09 s"),
        (["--start", "inf"], "inf is not from 0"),
        (["--start", "1:60"], "1:60 is no time in seconds, m:ss or h:mm:ss (mm and ss up to 59)"),
        (["--start", "1:-3"], "1:-3 is no time in seconds, m:ss or h:mm:ss (mm and ss up to 59)"),
        (["--start", "1:60:30"], "1:60:30 is no time in seconds, m:ss or h:mm:ss"),
        (["--start", "nan"], "nan is not from 0"),
        (["--duration", "0"], "0 is not from 0.001"),
        (["--duration", "1e308"], "1e308 is not from"),
        (["--overlap", "1"], "1 is not a number from 0.0 to 0.9"),
        (["--jobs", "0"], "0 is not a number from 1"),
        (["--clip", "wrap"], "invalid choice: 'wrap'"),
        (["--quiet", "--verbose"], "not allowed with"),
    ],
)
def test_separation_options_out_of_range_are_refused(capsys, words, message):
    with pytest.raises(SystemExit) as exit_:
        main(["separate", "in.wav", "out.wav", *words])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vocaltrack: error: ") and message in line
    assert line.endswith("vocaltrack separate --help tells what can be given")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dropout", "1.5"], "1.5 is not a number from 0.0 to 0.95"),
        (["--seed", "-1"], "-1 is not a number from 0 to"),
        (["--seed", "4294967296"], "4294967296 is not a number from 0 to 4294967295"),
        (["--dropout", "nan"], "nan is not a number from 0.0 to 0.95"),
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


@pytest.mark.parametrize(
    ("words", "bounds"),
    [
        (["train-unet", "--filters", "0"], "1 to 256"),
        (["train-unet", "--filters", "257"], "1 to 256"),
        (["train-unet", "--batch-size", "0"], "1 to 4096"),
        (["train-unet", "--batch-size", "4097"], "1 to 4096"),
        (["train-unet", "--power-exponent", "1.1"], "0.0 to 1.0"),
        (["train-unet", "--clustering-dropout", "1"], "0.0 to 0.95"),
        (["train-unet", "--epochs", "0"], "1 to 1000000000"),
        (["train-unet", "--steps-per-epoch", "0"], "1 to 1000000000"),
        (["train-unet", "--patience", "0"], "1 to 1000000000"),
        (["prepare", "--train-chunks", "0"], "1 to 1000000000"),
        (["prepare", "--valid-chunks", "-4"], "1 to 1000000000"),
        (["prepare", "--jobs", "0"], "1 to 1000000000"),
        (["prepare", "--seed", "-1"], "0 to 4294967295"),
    ],
)
def test_each_number_has_its_bounds(capsys, words, bounds):
    """Those that are taken would be an error of Keras', or no training at all."""
    places = {"train-unet": ["--records", "r", "--run", "r"], "prepare": ["-o", "r"]}
    with pytest.raises(SystemExit) as exit_:
        main([*words, *places[words[0]]])
    assert exit_.value.code == 2
    told = f"argument {words[1]}: {words[2]} is not a number from {bounds};"
    assert told in capsys.readouterr().err


def test_unknown_options_are_told_by_their_command(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["separate", "in.wav", "--loud", "out.wav"])
    assert exit_.value.code == 2
    told = "unrecognized arguments: --loud out.wav; vocaltrack separate --help tells what"
    assert capsys.readouterr().err == f"vocaltrack: error: {told} can be given\n"


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "2>&- >&-"])
def test_bad_input_ends_with_2_also_where_nothing_can_be_said(tmp_path, closed):
    command = f"'{sys.executable}' separate.py absent.wav '{tmp_path}/out.wav' {closed}"
    assert subprocess.run(["sh", "-c", command], cwd=REPOSITORY).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_where_stderr_is_closed_remarks_are_left_out_of_the_results(tmp_path):
    script = "from vocaltrack.errors import show, warn; warn('of a song'); show('table')"
    command = f"'{sys.executable}' -c \"{script}\" 2>&-"
    done = subprocess.run(["sh", "-c", command], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "table\n")


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


def test_an_error_of_the_system_names_its_file_in_words(capsys, monkeypatch):
    def locked(path):
        raise PermissionError(13, "Permission denied", "locked/song.wav")

    monkeypatch.setattr("vocaltrack.audio.Path.exists", locked)
    assert main(["separate", "locked/song.wav", "out.wav"]) == 2
    assert capsys.readouterr().err == "vocaltrack: error: locked/song.wav: Permission denied\n"


def test_a_name_that_is_too_long_is_one_line(capsys, tmp_path):
    code, error = run(capsys, "separate", tmp_path / ("a" * 300), tmp_path / "out.wav")
    assert code == 2 and error.count("\n") == 1


def test_export_never_replaces_a_folder_of_something_else(capsys, tmp_path, monkeypatch):
    from vocaltrack.export import export

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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "--stems", "absent", "--model", "unet"], "absent is no folder"),
        (["evaluate", "--stems", EXAMPLE.parent, "--model", "vnet"], "no model 'vnet'"),
        (["evaluate", "--stems", EXAMPLE.parent, "--model", "unet:clusters"], "has no clusters"),
        (["separate", "--swap", EXAMPLE / "mixture.flac", "o.wav"], "only clusters can be"),
        (["evaluate", "--stems", "songs", "--model", "unet", "--split", "test"], "can be valid"),
        (["evaluate", "--model", "unet"], "no dataset given"),
        (["evaluate", "--stems", "songs", *["--model", "unet"] * 2], "unet is given twice"),
        (
            ["evaluate", "--stems", "songs", "--model", "unet", "--model", f"{SAVED_MODELS}/unet"],
            "unet is given twice",
        ),
        (["prepare", "--mir1k", "absent", "-o", "records"], "absent is no folder"),
        (["train-unet", "--records", "absent", "--run", "u"], "absent holds no manifest.json"),
        (
            ["train-unet", "--model", "unet", "--records", "r", "--run", "u", "--fine-tune"],
            "no hdc",
        ),
        (
            ["train-unet", "--records", "whole", "--run", "u", "--clustering", "c"],
            "c holds no best",
        ),
        (["train-clustering", "--records", "whole", "--run", "u", "--initial", "i"], "i holds no"),
        (["train-clustering", "--records", "whole", "--run", "a.txt"], "a.txt is a file; give the"),
        (["train-clustering", "--records", "whole", "--run", "whole"], "whole holds records; give"),
        (["export", "absent", "model"], "absent holds no best.keras"),
    ],
)
def test_wrong_datasets_runs_and_models_are_refused_before_tensorflow_loads(
    capsys, tmp_path, monkeypatch, words, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "songs" / "valid" / "song").mkdir(parents=True)
    (tmp_path / "songs" / "valid" / "song" / "vocals.wav").touch()
    (tmp_path / "whole").mkdir()
    (tmp_path / "a.txt").touch()
    Manifest(FeatureConfig(), (0.0,) * 128, (1.0,) * 128, {}, {"train": []}, {}, 0).save("whole")
    for loading in ("commands.load_keras", "separate_command.load_tensorflow"):
        monkeypatch.setattr(f"vocaltrack.{loading}", None)
    code, error = run(capsys, *words)
    assert code == 2 and said in error
    assert not (tmp_path / "records").exists()


def test_names_behind_two_dashes_may_begin_with_one(capsys, tmp_path, monkeypatch, song):
    monkeypatch.chdir(tmp_path)
    song.rename(tmp_path / "-q.wav")
    words = ["separate", "--model", "unet", "--duration", "0.1"]
    assert main([*words, "--", "-q.wav", "-out.wav"]) == 0
    assert main([*words, "-o", "stems", "--", "-q.wav"]) == 0
    assert (tmp_path / "-out.wav").exists() and (tmp_path / "stems" / "-q" / "vocals.wav").exists()
    code, error = run(capsys, *words, "--", "-absent.wav", "out.wav")
    assert code == 2 and "-absent.wav: no such file" in error
