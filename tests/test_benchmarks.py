"""What the benchmarks measure: which songs, where, and mixed how."""

import importlib
import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.dataset_files import noise, write
from tests.paths import REPOSITORY
from vocaltrack.metrics import level_db

RATE = 16000


@pytest.fixture
def benchmark(monkeypatch):
    """A function from the name of a module of benchmarks to the module."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module


def test_no_song_is_measured_that_a_network_learnt_from(benchmark, tmp_path):
    for song in ("abe_1", "bea_1"):
        write(tmp_path / "mir1k" / "Wavfile" / f"{song}_01.wav", np.ones((9, 2)))
    splits = {"train": ["abe_1"], "valid": ["bea_1"]}
    (tmp_path / "mir1k" / "splits.json").write_text(json.dumps(splits))
    for split in ("train", "valid", "test"):
        write(tmp_path / "stems" / split / f"of-{split}" / "vocals.wav", np.ones(9))
    songs = benchmark("excerpts").validation_songs(tmp_path / "mir1k", tmp_path / "stems")
    assert [song.key for song in songs] == ["MIR-1K/bea_1", "stems/of-valid"]


def test_the_loudest_stretch_is_taken(benchmark):
    audio = np.repeat(np.float32([0.1, 0.3, 0.2, 0.3, 0.4, 0.0]), RATE)
    loudest = benchmark("excerpts").loudest
    assert loudest(audio, 2) == slice(3 * RATE, 5 * RATE)
    assert len(audio[loudest(audio, 9)]) == len(audio)


def test_soft_voices_are_softer_than_the_music_by_what_their_table_tells(benchmark):
    def song(dataset, **levels):
        stems = {
            stem: level * noise(number, 20 * RATE / 8000)
            for number, (stem, level) in enumerate(levels.items())
        }
        return SimpleNamespace(dataset=dataset, stems=tuple(stems), load=lambda rate: stems)

    songs = [
        song("MIR-1K", vocals=1.0, accompaniment=0.3),
        song("MIR-1K", vocals=0.1, accompaniment=0.5),
        song("stems", vocals=0.7),
        song("stems", accompaniment=0.2),
    ]
    rows = benchmark("soft_voices").mixtures(songs)
    for (kind, pairs), (count, decibels) in zip(rows.items(), ((2, 6), (1, 5), (2, 5))):
        assert kind.endswith(f" −{decibels} dB") and len(pairs) == count
        for vocals, music in pairs:
            assert level_db(music) - level_db(vocals) == pytest.approx(decibels, abs=0.01)
    assert len(rows) == 3


@pytest.mark.parametrize("level", [1.0, 0.1])
def test_noise_is_below_the_mixture_by_its_decibels(benchmark, level):
    audio = level * noise(0, 10)
    noisy = benchmark("bandwidth").noisy
    assert noisy(audio, None) is audio
    assert level_db(noisy(audio, -20) - audio) - level_db(audio) == pytest.approx(-20, abs=0.1)
