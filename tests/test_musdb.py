"""MUSDB18 and MUSDB18-HQ: which songs are whose, and the stems of its stem files."""

import numpy as np
import pytest

from tests.dataset_files import RATE, sources, splits_of
from tests.paths import needs_ffmpeg
from tests.sounds import refusal
from vocaltrack.audio import read_audio
from vocaltrack.datasets import read_musdb
from vocaltrack.errors import UserError
from vocaltrack.files import package_folder
from vocaltrack.metrics import level_db, si_sdr
from vocaltrack.songs import Source
from vocaltrack.splits import check_splits, keep_artists_together

# Three of the songs that musdb's mus.yaml holds out, and two that it trains on.
MUSDB_VALID = ("Actions - One Minute Smile", "Leaf - Summerghost", "Meaxic - Take A Step")
MUSDB_TRAIN = ("A Classic Education - NightOwl", "Voelund - Comfort Lives In Belief")


def test_musdb_hq(tmp_path):
    seeds = {"vocals": 1, "bass": 2, "drums": 3, "other": 4, "mixture": 5}
    for name in MUSDB_TRAIN + MUSDB_VALID:
        audio = sources(tmp_path / "train" / name, seeds)
    sources(tmp_path / "test" / "AM Contra - Heart Peripheral", seeds)
    songs = read_musdb(tmp_path)
    check_splits(songs)
    expected = dict.fromkeys(MUSDB_TRAIN, "train") | dict.fromkeys(MUSDB_VALID, "valid")
    assert splits_of(songs) == expected | {"AM Contra - Heart Peripheral": "test"}
    song = next(song for song in songs if song.name == MUSDB_TRAIN[0])
    assert (song.singer, song.key) == ("A Classic Education", f"MUSDB18/{song.name}")
    np.testing.assert_array_equal(song.load(RATE)["vocals"], audio["vocals"])
    backing = audio["bass"] + audio["drums"] + audio["other"]
    np.testing.assert_allclose(song.load(RATE)["accompaniment"], backing, atol=1e-6)


def test_musdb_leaves_held_out_artists_out_of_the_training(tmp_path):
    seeds = {"vocals": 1, "bass": 2, "drums": 3, "other": 4}
    for name in ("Leaf - Wicked", "Leaf - Summerghost", "Lushlife - Toynbee Suite"):
        sources(tmp_path / "train" / name, seeds)
    held_out = {"Leaf - Summerghost": "valid", "Lushlife - Other Song - Live": "test"}
    sources(tmp_path / "test" / "Lushlife - Other Song - Live", seeds)
    songs = keep_artists_together(read_musdb(tmp_path))
    assert splits_of(songs) == held_out
    check_splits(songs)


def test_musdb_passes_over_hidden_files_and_refuses_a_song_that_is_there_twice(tmp_path):
    for name in ("A - One.stem.mp4", "._A - One.stem.mp4", "notes.mp4"):
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / name).write_bytes(b"x")
    assert [song.name for song in read_musdb(tmp_path)] == ["A - One"]
    sources(tmp_path / "train" / "A - One", {"vocals": 1, "bass": 2, "drums": 3, "other": 4})
    refusal(lambda: read_musdb(tmp_path), "holds A - One twice")


def test_musdb_stem_files(tmp_path):
    for name in (MUSDB_TRAIN[0], MUSDB_VALID[0]):
        path = tmp_path / "train" / f"{name}.stem.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not really a stem file")
    songs = read_musdb(tmp_path)
    assert splits_of(songs) == {MUSDB_TRAIN[0]: "train", MUSDB_VALID[0]: "valid"}
    (clip,) = songs[0].clips
    assert [source.track for source in clip.vocals] == [4]
    assert sorted(source.track for source in clip.accompaniment) == [1, 2, 3]
    refusal(lambda: songs[0].load(RATE), songs[0].name, "cannot be read as audio")


@needs_ffmpeg
def test_a_musdb_stem_file_has_its_stems(tmp_path):
    """The one that comes with stempeg: 6 s of Falcon 69."""
    (example,) = package_folder("stempeg").glob("data/*.stem.mp4")
    (tmp_path / "test").mkdir()
    path = tmp_path / "test" / "A - Song.stem.mp4"
    path.symlink_to(example)
    (song,) = read_musdb(tmp_path)
    stems = song.load(44100)
    mixture, rate = read_audio(path)  # the first track
    assert rate == 44100 and len(stems["vocals"]) == len(mixture)
    # Each track lost something of its own to AAC.
    assert si_sdr(mixture.mean(axis=1), stems["vocals"] + stems["accompaniment"]) > 12
    assert level_db(stems["vocals"]) < level_db(stems["accompaniment"]) - 3
    refusal(lambda: Source(path, track=5).load(44100), "no audio track 6")


def test_musdb_stem_files_need_ffmpeg(tmp_path, no_ffmpeg):
    (tmp_path / "a.stem.mp4").write_bytes(b"a")
    refusal(lambda: Source(tmp_path / "a.stem.mp4", track=4).load(RATE), "install ffmpeg")


def test_musdb_refusals(tmp_path):
    with pytest.raises(UserError, match="holds no MUSDB18 songs"):
        read_musdb(tmp_path)
    sources(tmp_path / "train" / MUSDB_TRAIN[0], {"vocals": 1, "drums": 2})
    with pytest.raises(UserError, match=r"NightOwl lacks .*bass\.wav.*other\.wav"):
        read_musdb(tmp_path)
