"""Mixtures for training: true songs, amalgamations and instrumentals.

An excerpt is drawn from a seed of its own, so that any part of a preparation
can be made again alone, in any order, with the same result.
"""

import dataclasses

import numpy as np

from vocaltrack.augmentation import (
    MOST_DB,
    add_backing,
    as_loud_as,
    change_drums,
    change_speed,
    colour,
    compress,
    draw_formants,
    draw_speed,
    echo,
    gain,
    overdrive,
    reverberate,
    rms,
    roughen,
    source_samples,
)
from vocaltrack.errors import UserError
from vocaltrack.formants import shift_formants
from vocaltrack.passages import draw_passages, passage_gains

KINDS = ("true", "amalgamation", "instrumental")
LEVEL_DB = (-34.0, -12.0)
CHANCES = {
    "speed": 0.7,
    "formants": 0.6,
    "backing": 0.2,
    "compression": 0.4,
    "drums": 0.35,
    "roughness": 0.2,
    "overdrive": 0.25,
    "colour": 0.7,
    "reverberation": 0.4,
    "echo": 0.2,
    "second": 0.2,
    "passages": 0.15,
}
SECOND_DB = (-12.0, 0.0)


@dataclasses.dataclass(frozen=True)
class MixtureConfig:
    """What mixtures a network is to learn from.

    Attributes:
        kind_shares: of each of `KINDS`, summing to 1; a kind for which the songs
            do not suffice gives its share to the others.
        balance_db: least and most dB by which the voice is louder than it was
            (in amalgamations: than the music); in much of pop it is the softer one.
    """

    kind_shares: tuple[float, ...] = (0.36, 0.43, 0.21)
    balance_db: tuple[float, float] = (-16.0, 8.0)


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """A mixture to learn from, as its two stems.

    Attributes:
        vocals: float32 [samples].
        accompaniment: float32 [samples]; the mixture is their sum.
        kind: one of `KINDS`.
        songs: keys of the songs that it was made of, second voices and
            recordings apart.
    """

    vocals: np.ndarray
    accompaniment: np.ndarray
    kind: str
    songs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a stem is to be cut, and how much faster the piece is to be played."""

    key: str
    audio: np.ndarray
    first: int
    speed: float


def _cut(audio, first, samples):
    piece = np.asarray(audio[first : first + samples], np.float32)
    return np.pad(piece, (0, samples - len(piece)))


def kind_chances(mixtures, true, vocals, accompaniments):
    """How likely each of `KINDS` is, as far as the songs of a split suffice for it.

    Args:
        mixtures: `MixtureConfig`.
        true, vocals, accompaniments: as for `Mixer`.

    Returns:
        float64 [kinds], summing to 1.

    Raises:
        UserError: they suffice for none.
    """
    keys = {song.key for pool in (vocals, accompaniments) for song, _, _ in pool.stems}
    pairs = len(vocals) and len(accompaniments) and len(keys) > 1
    possible = np.array([len(true), pairs, len(accompaniments)])
    chances = np.where(possible > 0, mixtures.kind_shares, 0.0)
    if not chances.any():
        raise UserError("the songs of a split have no accompaniment that sounds; add some music")
    return chances / chances.sum()


class Mixer:
    """Draws excerpts from the stems of one split.

    Args:
        true: `Pool` of vocals whose songs have an accompaniment too.
        accompaniment_of: dict from a song's key to its accompaniment
            [samples].
        vocals: `Pool` of all vocals.
        accompaniments: `Pool` of all accompaniments, instrumentals included.
        samples: length of an excerpt.
        sample_rate: Hz.
        mixtures: `MixtureConfig`.
        augment: change the stems at random (`augmentation`), and now and then
            let two singers sing and two recordings play at once; for training
            alone.
    """

    def __init__(
        self,
        true,
        accompaniment_of,
        vocals,
        accompaniments,
        samples,
        sample_rate,
        mixtures,
        augment,
    ):
        self.true, self.vocals, self.accompaniments = true, vocals, accompaniments
        self.accompaniment_of, self.samples = accompaniment_of, samples
        self.sample_rate, self.mixtures, self.augment = sample_rate, mixtures, augment
        self.kind_chances = kind_chances(mixtures, true, vocals, accompaniments)

    def draw(self, seed):
        """One excerpt; the same seed (a sequence of ints) gives the same one."""
        rng = np.random.default_rng(seed)
        kind = KINDS[rng.choice(len(KINDS), p=self.kind_chances)]
        vocals, accompaniment, songs = getattr(self, f"_{kind}")(rng)
        target = rng.uniform(*LEVEL_DB)
        level = 20.0 * np.log10(rms(vocals + accompaniment))
        factors = np.full((2, 1), gain(np.clip(target - level, -MOST_DB, MOST_DB)))
        if self._happens("passages", rng):
            rows = draw_passages(rng, self.samples / self.sample_rate)
            factors = factors * passage_gains(rows, self.samples, self.sample_rate)
        vocals, accompaniment = np.float32(factors * [vocals, accompaniment])
        return Excerpt(vocals, accompaniment, kind, songs)

    def _true(self, rng):
        """A song's own two stems, at one speed, their balance shifted."""
        singing = self._place(self.true, rng)
        backing = dataclasses.replace(singing, audio=self.accompaniment_of[singing.key])
        vocals = self._changed(singing, self._sung, rng)
        balance = gain(rng.uniform(*self.mixtures.balance_db))
        return vocals * balance, self._changed(backing, self._played, rng), (singing.key,)

    def _amalgamation(self, rng):
        """The vocals of one song over the accompaniment of another."""
        singing = backing = None
        while singing is None or singing.key == backing.key:
            singing, backing = self._place(self.vocals, rng), self._place(self.accompaniments, rng)
        vocals = self._several(self.vocals, singing, self._sung, rng)
        accompaniment = self._several(self.accompaniments, backing, self._played, rng)
        if self._happens("echo", rng):
            vocals = echo(vocals, rng, self.sample_rate)
        if self._happens("reverberation", rng):
            vocals = reverberate(vocals, rng, self.sample_rate)
        balance = gain(rng.uniform(*self.mixtures.balance_db))
        vocals = as_loud_as(accompaniment, vocals) * balance
        return vocals, accompaniment, (singing.key, backing.key)

    def _instrumental(self, rng):
        """Music without vocals: what to keep silent for."""
        backing = self._place(self.accompaniments, rng)
        accompaniment = self._several(self.accompaniments, backing, self._played, rng)
        return np.zeros(self.samples, np.float32), accompaniment, (backing.key,)

    def _place(self, pool, rng):
        factor = self._speed(rng)
        index, first = pool.draw(rng, source_samples(factor, self.samples))
        song, audio, _ = pool.stems[index]
        return _Place(song.key, audio, first, factor)

    def _several(self, pool, place, change, rng):
        """A stem's excerpt, changed; now and then a second stem of its pool joins it."""
        audio = self._changed(place, change, rng)
        if self._happens("second", rng):
            second = self._changed(self._place(pool, rng), change, rng)
            audio = audio + as_loud_as(audio, second) * gain(rng.uniform(*SECOND_DB))
        return audio

    def _changed(self, place, change, rng):
        return change(self._piece(place.audio, place.first, place.speed), place.speed, rng)

    def _piece(self, audio, first, factor):
        if factor == 1.0:
            return _cut(audio, first, self.samples)
        source = _cut(audio, first, source_samples(factor, self.samples))
        return change_speed(source, factor, self.samples)

    def _sung(self, audio, speed, rng):
        """The voice of another singer: formants that did not follow the speed."""
        if self._happens("formants", rng):
            audio = shift_formants(audio, draw_formants(rng) / speed, self.sample_rate)
        if self._happens("roughness", rng):
            audio = roughen(audio, rng, self.sample_rate)
        if self._happens("compression", rng):
            audio = compress(audio, rng, self.sample_rate)
        if self._happens("backing", rng):
            audio = add_backing(audio, rng, self.sample_rate)
        return self._recorded(audio, rng)

    def _played(self, audio, _, rng):
        """The music of another band: drums as loud as theirs are."""
        if self._happens("drums", rng):
            audio = change_drums(audio, rng)
        return self._recorded(audio, rng)

    def _recorded(self, audio, rng):
        if self._happens("overdrive", rng):
            audio = overdrive(audio, rng)
        return colour(audio, rng, self.sample_rate) if self._happens("colour", rng) else audio

    def _speed(self, rng):
        return draw_speed(rng) if self._happens("speed", rng) else 1.0

    def _happens(self, what, rng):
        return self.augment and rng.random() < CHANCES[what]
