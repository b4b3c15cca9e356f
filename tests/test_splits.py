"""No song and no singer is in two splits, and who joins three or more moves nobody."""

import unicodedata
from pathlib import Path

import pytest

from tests.sounds import refusal
from vocaltrack.errors import UserError
from vocaltrack.songs import Clip, Song, Source
from vocaltrack.splits import assign_splits, check_splits, keep_artists_together


def test_check_splits():
    def song(name, singer, split, dataset="d"):
        return Song(name, dataset, singer, split, ())

    check_splits([song("a", "x", "train"), song("b", "x", "train"), song("c", "y", "valid")])
    check_splits([song("a", "x", "train", "d"), song("a", "x", "valid", "e")])
    with pytest.raises(UserError, match="song d/a is in the splits train and test"):
        check_splits([song("a", "x", "train"), song("a", "y", "test")])
    with pytest.raises(UserError, match="singer d/x is in the splits valid and train"):
        check_splits([song("a", "x", "valid"), song("b", "x", "train")])


def test_artists_of_two_datasets_are_kept_together():
    """MUSDB18 tests on songs that DSD100 trains on."""
    contra = Song("051 - AM Contra - Heart Peripheral", "DSD100", "AM Contra", "train", ())
    other = Song("052 - B - C", "DSD100", "B", "valid", ())
    same = Song("AM Contra - Heart Peripheral", "MUSDB18", "AM Contra", "test", ())
    stems = Song("AM Contra", "stems", "AM Contra", "train", ())  # a folder's name
    kept = keep_artists_together([contra, other, same, stems])
    assert kept == [other, same, stems]


def test_accents_spelt_in_two_ways_are_the_same_name():
    """Disks and archives of some systems store a letter and its accent apart."""
    names = ["Für Elise", "Été", "song 3", "naïve", "e", "f f", "Café", "Über"]
    apart = [unicodedata.normalize("NFD", name) for name in names]
    assert apart != names
    dealt, again = (assign_splits(spelt, (0.1, 0.1), 0) for spelt in (names, apart))
    assert [dealt[name] for name in names] == [again[name] for name in apart]
    first, second = (
        Song(n, "d", n, "train", (Clip((Source(Path(n)),)),)) for n in ("\u00c9", "E\u0301")
    )
    assert first.key == second.key == "d/\u00c9" and first.name != second.name
    refusal(lambda: check_splits([first, second]), "two songs are named d/\u00c9")


def test_assign_splits():
    singers = [f"singer{number}" for number in range(2000)]
    dealt = assign_splits(singers, (0.1, 0.2), seed=1)
    assert dealt == assign_splits(singers[::-1] + singers, (0.1, 0.2), seed=1)
    assert dealt != assign_splits(singers, (0.1, 0.2), seed=2)
    assert set(dealt) == set(singers)
    counts = {split: list(dealt.values()).count(split) for split in ("train", "valid", "test")}
    assert counts == pytest.approx({"train": 1400, "valid": 200, "test": 400}, abs=60)


def test_who_is_in_train_stays_there_when_others_join():
    for seed in range(40):
        heard = set()
        for number in range(3, 40):
            dealt = assign_splits([f"singer{n}" for n in range(number)], (0.1, 0.1), seed)
            assert all(dealt[name] == "train" for name in heard)
            heard |= {name for name, split in dealt.items() if split == "train"}


@pytest.mark.parametrize(
    ("singers", "splits"),
    [
        ("a", ["train"]),
        ("ab", ["train", "valid"]),
        ("abc", ["test", "train", "valid"]),
        ("abcde", ["test", "train", "train", "train", "valid"]),
    ],
)
def test_a_few_singers_are_enough_for_every_split(singers, splits):
    assert sorted(assign_splits(singers, (0.1, 0.1), seed=0).values()) == splits
    held_out = [split for split in splits if split != "test"]
    assert set(assign_splits(singers, (0.1, 0.0), seed=0).values()) == set(held_out)


@pytest.mark.parametrize("singers", [3, 4, 5, 10])
def test_no_split_comes_out_empty(singers):
    for names in range(300):
        dealt = assign_splits([f"{names} {n}" for n in range(singers)], (0.1, 0.1), seed=0)
        assert set(dealt.values()) == {"train", "valid", "test"}


def test_a_singer_alone_is_trained_on():
    for seed in range(20):
        assert assign_splits(["a"], (0.5, 0.5), seed) == {"a": "train"}
    assert assign_splits([], (0.1, 0.1), seed=0) == {}


def test_two_songs_of_one_name_are_refused():
    songs = [
        Song("a", "stems", "a", "train", (Clip((Source(Path(folder, "vocals.wav")),)),))
        for folder in ("one/stems/a", "two/stems/a")
    ]
    message = refusal(lambda: check_splits(songs), "two songs are named stems/a")
    assert "in one/stems/a and in two/stems/a" in message
