"""Many inputs: which files are taken, and that no output meets another or an input."""

import os
from pathlib import Path

import pytest
import soundfile

from tests.sounds import refusal
from vocaltrack.batch import plan_jobs


@pytest.fixture
def music(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.mp3", "a.WAV", "album/1.flac", "album/cd2/1.m4a", "notes.txt", "photo.raw"):
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in (".hidden.wav", ".vocaltrack-x.wav", ".Trash/files/old.wav"):
        (tmp_path / "music" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "music" / name).touch()
    return tmp_path / "music"


def planned(*arguments, **options):
    """(source, targets...) of each job as text."""
    return [
        (str(job.source), *(path.as_posix() for path in job.targets.values()))
        for job in plan_jobs(*arguments, **options)
    ]


def test_folders_are_searched_in_order_and_their_folders_kept(music):
    assert planned(["music"], "out", stems=("vocals",)) == [
        ("music/a.WAV", "out/a/vocals.WAV"),
        ("music/album/1.flac", "out/album/1/vocals.flac"),
        ("music/album/cd2/1.m4a", "out/album/cd2/1/vocals.wav"),
        ("music/b.mp3", "out/b/vocals.mp3"),
    ]


def test_folders_hold_less_common_endings_too(tmp_path):
    names = ("a.wave", "b.mpga", "c.weba", "d.MPA", "e.m4r", "f.mpc", "g.dsf", "h.shn", "i.3g2")
    for name in names:
        (tmp_path / name).touch()
    assert [source for source, _ in planned([tmp_path], tmp_path / "out", stems=("vocals",))] == [
        str(tmp_path / name) for name in names
    ]


def test_files_have_both_stems_and_their_own_names(music):
    assert planned(["music/b.mp3", "music/album/cd2/1.m4a"], "out", "{track}_{stem}.flac") == [
        ("music/b.mp3", "out/b_vocals.flac", "out/b_accompaniment.flac"),
        ("music/album/cd2/1.m4a", "out/1_vocals.flac", "out/1_accompaniment.flac"),
    ]


def test_a_file_given_twice_is_taken_once(music, capsys):
    os.symlink(music / "b.mp3", music.parent / "link.mp3")
    inputs = ["music/b.mp3", "music/../music/b.mp3", music / "b.mp3", "link.mp3", "music/album"]
    assert [source for source, _ in planned(inputs, "out", stems=("vocals",))] == [
        "music/b.mp3",
        "music/album/1.flac",
        "music/album/cd2/1.m4a",
    ]
    told = "warning: link.mp3 is music/b.mp3 by another name; it is separated once"
    assert capsys.readouterr().err.splitlines() == [told]


def test_a_sample_format_that_an_output_cannot_have_is_refused(music):
    refusal(lambda: plan_jobs(["music"], "out", subtype="FLOAT"), "FLAC cannot be written as FLOAT")
    refusal(lambda: plan_jobs(["music/a.WAV"], "out", subtype="NOSUCH"), "as NOSUCH")
    assert len(plan_jobs(["music/a.WAV"], "out", subtype="FLOAT")) == 1


def test_what_this_libsndfile_does_not_write_becomes_wav(music, monkeypatch):
    known = soundfile.available_formats()
    monkeypatch.setattr(
        soundfile, "available_formats", lambda: {k: v for k, v in known.items() if k != "MP3"}
    )
    assert planned(["music/b.mp3"], "out", stems=("vocals",)) == [
        ("music/b.mp3", "out/b/vocals.wav")
    ]
    pattern = "{track}/{stem}.mp3"
    refusal(lambda: plan_jobs(["music/b.mp3"], "out", pattern), "no audio format ends in '.mp3'")


def test_hard_links_are_files_of_their_own(music):
    os.link(music / "b.mp3", music / "c.mp3")
    assert len(planned(["music/b.mp3", "music/c.mp3"], "out")) == 2


def test_what_was_written_before_is_no_input(music):
    (music / "out" / "a").mkdir(parents=True)
    (music / "out" / "a" / "vocals.wav").touch()
    for source, target in (("music", "music/out"), (music, "music/out"), ("music", music / "out")):
        assert len(planned([source], target)) == 4
    for source in ("music", music):
        refusal(lambda: plan_jobs([source], "music"), "music is where the outputs go; give another")
    (music / "album" / "other").mkdir()
    inside = ["music/album/1.flac", "music/album/cd2/1.m4a"]
    assert [job[0] for job in planned(["music/album"], "music")] == inside
    for path in inside:
        os.unlink(path)
    refusal(
        lambda: plan_jobs(["music/album"], "music/album/out"),
        "music/album holds no audio files outside of music/album/out",
    )


def test_the_folder_for_the_outputs_is_no_file(music):
    refusal(lambda: plan_jobs(["music"], "music/b.mp3"), "music/b.mp3 is a file; -o takes the")


@pytest.mark.parametrize("where", ["gone.wav", "z.wav"])
def test_links_that_lead_nowhere_are_not_passed_over(music, where):
    os.symlink(music / where, music / "z.wav")
    assert ("music/z.wav", "out/z/vocals.wav") in planned(["music"], "out", stems=("vocals",))


def test_a_folder_that_cannot_be_read_is_not_passed_over(music, monkeypatch):
    """Its songs would be missing from the outputs, in silence; a hidden one is none."""
    scan = os.scandir

    def refused(path):
        if Path(path).name in ("locked", ".hidden"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    (music / ".hidden").mkdir()
    assert planned(["music"], "out", stems=("vocals",))
    (music / "locked").mkdir()
    jobs = planned(["music"], "out", stems=("vocals",))
    assert ("music/locked", "out/locked/vocals.wav") in jobs and len(jobs) > 1


@pytest.mark.parametrize(
    "name", ["%s {track}.wav", "-a.wav", "a\nb.wav", "\u65e5 \u266b.wav", "a.b.wav"]
)
def test_odd_names_stay_as_they_are(music, name):
    ((_, target),) = planned([music / name], "out", stems=("vocals",))
    assert target == f"out/{name[:-4]}/vocals.wav"


def test_outputs_that_meet_are_refused(music):
    (music / "a.m4a").touch()
    (music / "sub").mkdir()
    (music / "sub" / "b.mp3").touch()
    (music / "a.wv").touch()
    message = refusal(lambda: plan_jobs(["music/a.m4a", "music/a.wv"], "out"), "both be written to")
    assert "music/a.m4a" in message and "music/a.wv" in message
    refusal(lambda: plan_jobs(["music/b.mp3", "music/sub/b.mp3"], "out"), "out/b/vocals.mp3")
    refusal(lambda: plan_jobs(["music/b.mp3", "music/a.WAV"], "out", "{stem}.wav"), "both be")


def test_an_input_is_never_overwritten(music):
    refusal(
        lambda: plan_jobs(["music/b.mp3"], "music", "{track}.{ext}", ("vocals",)),
        "music/b.mp3 would be overwritten",
    )
    os.symlink(music, music.parent / "door")
    refusal(lambda: plan_jobs(["door/b.mp3"], "music", "{track}.{ext}", ("vocals",)), "overwritten")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{track}/{stems}.wav", "{stems} is unknown"),
        ("{}/{stem}.wav", "{} is unknown"),
        ("{track.parent}/{stem}.wav", "{track.parent} is unknown"),
        ("{track}/{stem.wav", "--filename"),
        ("{track!z}/{stem}.wav", "{track!z} is unknown"),
        ("{track!r}/{stem}.wav", "{track!r} is unknown"),
        ("{track:d}/{stem}.wav", "{track:d} is unknown"),
        ("{track:>3}/{stem}.wav", "{track:>3} is unknown"),
        ("{track:{x}}/{stem}.wav", "{track:{x}} is unknown"),
        ("{track}/{stem}.wav/", "names a folder"),
        ("{track}.wav", "needs {stem}"),
        ("../{track}/{stem}.wav", "outside of out"),
        ("/{track}/{stem}.wav", "outside of out"),
        ("{track}/{stem}", "its name has no ending"),
        ("{track}/{stem}.m4a", "no audio format"),
    ],
)
def test_wrong_patterns_are_refused(music, pattern, message):
    refusal(lambda: plan_jobs(["music/b.mp3"], "out", pattern), message)


def test_a_name_of_dots_does_not_lead_out_of_the_folder(music):
    (music / "...wav").touch()
    refusal(lambda: plan_jobs([music / "...wav"], "out"), "outside of out")


def test_a_folder_without_audio_is_refused(music):
    (music / "empty").mkdir()
    refusal(lambda: plan_jobs([music / "empty"], "out"), "empty holds no audio files")
