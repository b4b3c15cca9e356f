"""Readers of the datasets, songs and splits, on tiny made-up folders and the real data."""

import json
import os

import numpy as np
import pytest
import soundfile

from tests.dataset_files import RATE, noise, sources, splits_of, write
from tests.paths import DATA
from vocaltrack.datasets import READERS, read_dsd100, read_mir1k, read_stems
from vocaltrack.errors import UserError
from vocaltrack.splits import assign_splits, check_splits, keep_artists_together


@pytest.fixture
def mir1k(tmp_path):
    """20 singers with 2 songs of 2 clips; left is noise(k), right noise(k + 1000)."""
    for number in range(80):
        singer, song, clip = number // 4, number // 2 % 2 + 1, number % 2 + 1
        channels = np.stack([noise(number), noise(number + 1000)], axis=1)
        write(tmp_path / "Wavfile" / f"s{singer:02d}_{song}_{clip:02d}.wav", channels)
    return tmp_path


def test_mir1k_vocals_are_the_right_channel_and_clips_follow_each_other(mir1k):
    songs = read_mir1k(mir1k)
    assert len(songs) == 40
    song = songs[3]
    assert (song.key, song.singer, len(song.clips)) == ("MIR-1K/s01_2", "s01", 2)
    assert song.stems == ("vocals", "accompaniment")
    right = np.concatenate([noise(1006), noise(1007)])
    left = np.concatenate([noise(6), noise(7)])
    np.testing.assert_array_equal(song.load(RATE)["vocals"], right)
    np.testing.assert_array_equal(song.load(RATE)["accompaniment"], left)


def test_mir1k_without_splits_deals_out_singers(mir1k):
    songs = read_mir1k(mir1k)
    check_splits(songs)
    of_singer = {song.singer: song.split for song in songs}
    assert of_singer == assign_splits(of_singer, (0.1, 0.1), seed=0)
    assert set(of_singer.values()) == {"train", "valid", "test"}
    assert read_mir1k(mir1k) == songs


def test_mir1k_with_splits(mir1k, capsys):
    lists = {
        "train": ["s00_1", "s01_2"],
        "valid": ["s02_1"],
        "test": ["s03_1"],
        "left_out": ["s04_1"],
    }
    (mir1k / "splits.json").write_text(json.dumps(lists))
    songs = read_mir1k(mir1k)
    assert "splits.json leaves out s00_2 and 35 more\n" in capsys.readouterr().err
    expected = {"s00_1": "train", "s01_2": "train", "s02_1": "valid", "s03_1": "test"}
    assert splits_of(songs) == expected
    check_splits(songs)


def test_mir1k_singer_in_two_splits_is_refused(mir1k):
    (mir1k / "splits.json").write_text('{"train": ["s00_1"], "valid": ["s00_2"]}')
    with pytest.raises(UserError, match="singer MIR-1K/s00 is in the splits train and valid"):
        check_splits(read_mir1k(mir1k))


def test_mir1k_refusals(mir1k, tmp_path_factory):
    (mir1k / "splits.json").write_text("{")
    with pytest.raises(UserError, match="cannot read the splits"):
        read_mir1k(mir1k)
    write(mir1k / "Wavfile" / "other.wav", noise(0))
    with pytest.raises(UserError, match=r"other\.wav is not named <singer>_<song>_<clip>"):
        read_mir1k(mir1k)
    with pytest.raises(UserError, match="holds no MIR-1K clips"):
        read_mir1k(tmp_path_factory.mktemp("empty"))


def test_mir1k_mono_file_is_refused_on_loading(tmp_path):
    write(tmp_path / "Wavfile" / "amy_1_01.wav", noise(0))
    (song,) = read_mir1k(tmp_path)
    with pytest.raises(UserError, match=r"amy_1_01\.wav has no channel 2"):
        song.load(RATE)["vocals"]


def test_dsd100(tmp_path):
    seeds = {"vocals": 1, "bass": 2, "drums": 3, "other": 4}
    audio = sources(tmp_path / "Sources" / "Dev" / "051 - AM Contra - Heart Peripheral", seeds)
    sources(tmp_path / "Sources" / "Test" / "001 - ANiMAL - Clinic A", seeds)
    train, test = read_dsd100(tmp_path)
    assert (train.name, train.singer, train.split) == (
        "051 - AM Contra - Heart Peripheral",
        "AM Contra",
        "train",
    )
    assert (test.singer, test.split, test.dataset) == ("ANiMAL", "test", "DSD100")
    np.testing.assert_array_equal(train.load(RATE)["vocals"], audio["vocals"])
    backing = audio["bass"] + audio["drums"] + audio["other"]
    np.testing.assert_allclose(train.load(RATE)["accompaniment"], backing, atol=1e-6)


@pytest.mark.parametrize("name", ["051 - Singer - Title - Live", "Singer - Title", "Singer"])
def test_dsd100s_singer_stands_before_the_title_also_without_a_number(tmp_path, name):
    seeds = dict.fromkeys(("vocals", "bass", "drums", "other"), 1)
    sources(tmp_path / "Sources" / "Test" / name, seeds)
    assert read_dsd100(tmp_path)[0].singer == "Singer"


def test_dsd100_has_singers_to_validate_on(tmp_path):
    seeds = dict.fromkeys(("vocals", "bass", "drums", "other"), 1)
    for number in range(20):
        sources(tmp_path / "Sources" / "Dev" / f"{number:03d} - singer {number % 10} - x", seeds)
    sources(tmp_path / "Sources" / "Test" / "050 - singer 3 - y", seeds)
    songs = keep_artists_together(read_dsd100(tmp_path))
    check_splits(songs)
    singers = [
        {song.singer for song in songs if song.split == split}
        for split in ("train", "valid", "test")
    ]
    dealt = assign_splits([f"singer {number}" for number in range(10)], (0.1, 0.0), seed=0)
    held = {name for name, split in dealt.items() if split == "valid"}
    assert singers[1] == held - {"singer 3"} and held and len(singers[0]) > 5
    assert singers[2] == {"singer 3"}  # whose songs in Dev are left out, as in MUSDB18


def test_dsd100_refusals(tmp_path):
    with pytest.raises(UserError, match="holds no DSD100 songs"):
        read_dsd100(tmp_path)
    sources(tmp_path / "Sources" / "Dev" / "051 - A - B", {"vocals": 1, "bass": 2})
    with pytest.raises(UserError, match="051 - A - B lacks drums, other"):
        read_dsd100(tmp_path)


def test_stems_with_split_folders(tmp_path, capsys):
    write(tmp_path / "train" / "both" / "vocals.wav", noise(1))
    write(tmp_path / "train" / "both" / "accompaniment.flac.wav", noise(2))  # another name
    soundfile.write(tmp_path / "train" / "both" / "accompaniment.flac", noise(3), RATE)
    write(tmp_path / "train" / "singing" / "vocals.wav", noise(4))
    write(tmp_path / "valid" / "music" / "accompaniment.wav", noise(5))
    write(tmp_path / "valid" / "neither" / "drums.wav", noise(6))
    write(tmp_path / "spare" / "mixture.wav", noise(7))
    write(tmp_path / "deep" / "er" / "vocals.wav", noise(8))
    (tmp_path / "notes").mkdir()
    songs = {song.name: song for song in read_stems(tmp_path)}
    expected = {"both": "train", "singing": "train", "music": "valid"}
    assert splits_of(songs.values()) == expected
    assert {name: song.stems for name, song in songs.items()} == {
        "both": ("vocals", "accompaniment"),
        "singing": ("vocals",),
        "music": ("accompaniment",),
    }
    told = capsys.readouterr().err
    assert f"{tmp_path}: neither vocals.* nor accompaniment.* in deep and 1 more\n" in told
    assert f"{tmp_path / 'valid'}: neither vocals.* nor accompaniment.* in neither\n" in told
    assert songs["both"].key == f"{tmp_path.name}/both"
    accompaniment = songs["both"].load(RATE)["accompaniment"]
    np.testing.assert_allclose(accompaniment, noise(3), atol=2**-15)
    np.testing.assert_array_equal(songs["singing"].load(RATE)["vocals"], noise(4))


def test_stems_without_split_folders(tmp_path, monkeypatch):
    for number in range(20):
        write(tmp_path / f"song{number:02d}" / "vocals.wav", noise(number, 0.01))
    songs = read_stems(tmp_path)
    names = [f"song{number:02d}" for number in range(20)]
    assert splits_of(songs) == assign_splits(names, (0.1, 0.1), seed=0)
    assert read_stems(tmp_path) == songs
    monkeypatch.chdir(tmp_path)
    assert {song.key for song in read_stems(".")} == {song.key for song in songs}
    # A link's songs are known by its own name.
    (tmp_path / ".linked").symlink_to(tmp_path)
    assert read_stems(".linked")[0].key == ".linked/song00"
    # What is no song takes no part in the dealing.
    (tmp_path / "notes").mkdir()
    (tmp_path / "train").mkdir()
    write(tmp_path / ".trash" / "vocals.wav", noise(0))
    assert read_stems(tmp_path) == songs


def test_stems_in_any_case_and_of_any_format_that_is_read(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("Vocals.WAV", "accompaniment.m4a", "vocals.txt", "accompaniment.mid"):
        (tmp_path / "a" / name).touch()
    (song,) = read_stems(tmp_path)
    assert song.stems == ("vocals", "accompaniment")
    (clip,) = song.clips
    assert [source.path.name for source in (*clip.vocals, *clip.accompaniment)] == [
        "Vocals.WAV",
        "accompaniment.m4a",
    ]


def test_songs_beside_the_folders_of_splits_are_refused_not_dropped(tmp_path):
    write(tmp_path / "train" / "a" / "vocals.wav", noise(1))
    write(tmp_path / "b" / "vocals.wav", noise(2))
    with pytest.raises(UserError, match="holds b beside train, valid or test"):
        read_stems(tmp_path)


def test_stems_refusals(tmp_path):
    with pytest.raises(UserError, match=r"holds no <song>/vocals.* named train, valid or test"):
        read_stems(tmp_path)
    write(tmp_path / "vocals.wav", noise(1))
    with pytest.raises(UserError, match="is a song itself; give the folder that holds it"):
        read_stems(tmp_path)
    write(tmp_path / "song" / "vocals.wav", noise(1))
    soundfile.write(tmp_path / "song" / "vocals.flac", noise(1), RATE)
    with pytest.raises(UserError, match="song holds vocals twice"):
        read_stems(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("accompaniment", "vocal"), "holds vocal but no vocals; the stems of a song are"),
        (("vocals", "bass", "drums"), "holds bass but no accompaniment"),
    ],
)
def test_a_stem_by_another_name_is_not_left_out_in_silence(tmp_path, names, message):
    for name in names:
        write(tmp_path / "song" / f"{name}.wav", noise(1))
    with pytest.raises(UserError, match=message):
        read_stems(tmp_path)
    for name in ("mixture", "Vocals", "ACCOMPANIMENT"):
        write(tmp_path / "song" / f"{name}.aiff", noise(1))
    (tmp_path / "song" / f"{names[0]}.wav").unlink()
    write(tmp_path / "song" / f"{names[1]}.aiff", noise(1))  # twice, and no matter here
    assert read_stems(tmp_path)[0].stems == ("vocals", "accompaniment")


@pytest.mark.parametrize("names", [("Vocals",), ("vocals", "mixture"), ("vocals", "Mixture")])
def test_vocals_alone_or_beside_their_mixture_are_solo_singing(tmp_path, names):
    for name in names:
        write(tmp_path / "song" / f"{name}.wav", noise(1))
    assert read_stems(tmp_path)[0].stems == ("vocals",)


def test_a_recording_that_is_there_twice_is_refused(tmp_path):
    write(tmp_path / "Wavfile" / "amy_1_01.wav", noise(0))
    (tmp_path / "Wavfile" / "amy_1_01.ogg").touch()
    with pytest.raises(UserError, match="Wavfile holds amy_1_01 twice"):
        read_mir1k(tmp_path)
    sources(tmp_path / "Sources" / "Dev" / "1 - A - B", {"vocals": 1, "bass": 2})
    (tmp_path / "Sources" / "Dev" / "1 - A - B" / "bass.flac").touch()
    with pytest.raises(UserError, match="1 - A - B holds bass twice"):
        read_dsd100(tmp_path)


def test_stems_song_in_two_splits_is_refused(tmp_path):
    write(tmp_path / "train" / "song" / "vocals.wav", noise(1))
    write(tmp_path / "valid" / "song" / "vocals.wav", noise(1))
    with pytest.raises(UserError, match=r"song .*/song is in the splits train and valid"):
        check_splits(read_stems(tmp_path))


@pytest.mark.parametrize("name", sorted(READERS))
def test_readers_refuse_absent_folders(tmp_path, name):
    with pytest.raises(UserError, match="absent is no folder"):
        READERS[name](tmp_path / "absent")


@pytest.mark.skipif(not (DATA / "MIR-1K").is_dir(), reason="needs the data in ../shared/data")
def test_real_mir1k():
    songs = read_mir1k(DATA / "MIR-1K")
    check_splits(songs)
    splits = list(splits_of(songs).values())
    assert (splits.count("train"), splits.count("valid")) == (79, 13)
    singers = {split: {s.singer for s in songs if s.split == split} for split in set(splits)}
    assert not singers["train"] & singers["valid"]
    song = min(songs, key=lambda song: len(song.clips))
    vocals, accompaniment = song.load(16000).values()
    assert len(vocals) == len(accompaniment) > 16000
    # Apart, the two channels have little in common; the vocals have rests.
    correlation = np.corrcoef(vocals, accompaniment)[0, 1]
    assert abs(correlation) < 0.2
    assert 0.005 < np.sqrt(np.mean(vocals**2)) < 0.5


@pytest.mark.skipif(not (DATA / "stems").is_dir(), reason="needs the data in ../shared/data")
def test_real_stems():
    songs = read_stems(DATA / "stems")
    check_splits(songs)
    names = {split: {s.name for s in songs if s.split == split} for split in ("train", "valid")}
    assert len(names["train"]) > 50 and len(names["valid"]) > 5
    assert not names["train"] & names["valid"]
    by_name = {song.name: song for song in songs}
    assert by_name["everything-is-free-potassium"].stems == ("vocals", "accompaniment")
    singing = by_name["ravdess-actor01"] if "ravdess-actor01" in by_name else songs[0]
    audio = singing.load(16000)[singing.stems[0]]
    assert len(audio) > 16000 and 0.001 < np.sqrt(np.mean(audio**2)) < 0.5


def test_a_song_in_two_lists_of_splits_json_is_refused(tmp_path):
    (tmp_path / "Wavfile").mkdir()
    soundfile.write(tmp_path / "Wavfile" / "amy_1_01.wav", np.zeros((100, 2)), 16000)
    (tmp_path / "splits.json").write_text('{"train": ["amy_1"], "valid": ["amy_1"]}')
    with pytest.raises(UserError, match="lists amy_1 in train and valid"):
        read_mir1k(tmp_path)
    for lists in ('{"train": 1}', '{"train": [1]}', '{"train": [["amy_1"]]}', '{"train": "amy_1"}'):
        (tmp_path / "splits.json").write_text(lists)
        with pytest.raises(UserError, match="must hold"):
            read_mir1k(tmp_path)
    (tmp_path / "splits.json").write_text('{"train": ["bug_1"]}')
    with pytest.raises(UserError, match="names none of the songs"):
        read_mir1k(tmp_path)
    (tmp_path / "splits.json").write_text('{"train": ["amy_1"], "validation": ["bug_1"]}')
    with pytest.raises(UserError, match="a list named validation; name it train, valid, test or"):
        read_mir1k(tmp_path)


def test_what_a_splits_json_names_in_vain_is_told(mir1k, capsys):
    lists = {"train": ["s00_1", "s01_02"], "valid": ["S02_1", "s03_1"]}
    (mir1k / "splits.json").write_text(json.dumps(lists))
    assert splits_of(read_mir1k(mir1k)) == {"s00_1": "train", "s03_1": "valid"}
    assert "names S02_1 and 1 more, of which there are no clips\n" in capsys.readouterr().err


@pytest.mark.parametrize("beside", ["train/song", "song"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_folder_of_a_split_is_no_song(tmp_path, split, beside):
    """Else its songs would be dealt out by hashes, and the test song be trained on."""
    write(tmp_path / split / "vocals.wav", noise(0))
    write(tmp_path / beside / "accompaniment.wav", noise(1))
    with pytest.raises(UserError, match=f"{split} holds vocals itself; put each song"):
        read_stems(tmp_path)


def test_a_name_that_is_no_utf8_is_refused(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 16000)
    (tmp_path / "a.wav").rename(folder / "vocals.wav")
    with pytest.raises(UserError, match=r"holds 'caf\\udce9', whose name is no UTF-8; rename it"):
        read_stems(tmp_path)
