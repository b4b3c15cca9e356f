"""What train_jax.py is to mix: numbers drawn by numpy, a few for each excerpt.

The chances and ranges are those of `vocaltrack.mixing` and `augmentation`, but that an
excerpt has two voices and two recordings of music at most: a backing voice sings where no
second singer does, and the drums are those of the first recording. What is done with the
numbers is in mixing_ops.py.
"""

import numpy as np

from vocaltrack import augmentation
from vocaltrack.augmentation import draw_formants, draw_speed, gain, source_samples
from vocaltrack.config import STEM_NAMES
from vocaltrack.mixing import (
    CHANCES,
    KINDS,
    LEVEL_DB,
    SECOND_DB,
    MixtureConfig,
    kind_chances,
)
from vocaltrack.passages import draw_passages, no_passages
from vocaltrack.pool import Pool
from vocaltrack.shards import load_stem

SPEED_STEPS = 4096  # a speed is a whole number of these, so that places are exact
GUARD = 1 << 18  # zeros before and after each stem, more than an excerpt needs at any speed
ROOMS = 64
LINEAR = 1e4  # times its level, a signal clips nowhere
SLOTS = 4  # two voices, two recordings of music


def load_stems(songs, decoded):
    """(song, name, audio, segments) of each stem of songs, which `decode_song` wrote."""
    return [(song, name, *load_stem(decoded, song, name)) for song in songs for name in song.stems]


class Bank:
    """All stems of a split, one after the other in one array.

    Args:
        stems: what `load_stems` returns.
    """

    def __init__(self, stems):
        self.stems, self.offsets, end = stems, {}, GUARD
        for song, name, audio, _ in stems:
            self.offsets[song.key, name] = end
            end += len(audio) + GUARD
        self.samples = end
        of = {
            wanted: [(song, audio, where) for song, name, audio, where in stems if name == wanted]
            for wanted in STEM_NAMES
        }
        self.vocals, self.accompaniments = Pool(of["vocals"]), Pool(of["accompaniment"])
        backed = {song.key for song, _, _ in self.accompaniments.stems}
        self.true = Pool([stem for stem in of["vocals"] if stem[0].key in backed])

    def waveforms(self):
        """The stems themselves as int16 [samples]."""
        flat = np.zeros(self.samples, np.int16)
        for song, name, audio, _ in self.stems:
            start = self.offsets[song.key, name]
            flat[start : start + len(audio)] = np.clip(np.round(audio * 32768), -32768, 32767)
        return flat


class Drawer:
    """Draws excerpts as `vocaltrack.mixing.Mixer` does.

    Args:
        bank: `Bank`.
        samples: of an excerpt.
        sample_rate: Hz.
        augment: change the stems at random; for training alone.

    Raises:
        UserError: the bank has no music.
    """

    def __init__(self, bank, samples, sample_rate, augment):
        self.bank, self.samples, self.sample_rate = bank, samples, sample_rate
        self.augment, self.mixtures = augment, MixtureConfig()
        pools = (bank.true, bank.vocals, bank.accompaniments)
        self.kind_chances = kind_chances(self.mixtures, *pools)

    def draw(self, seed, count):
        """`count` excerpts; the same seed gives the same ones.

        Returns:
            dict of arrays [count, ...], which `mixing_ops.mix` explains.
        """
        rng = np.random.default_rng(seed)
        excerpts = [self._excerpt(rng) for _ in range(count)]
        return {name: np.stack([e[name] for e in excerpts]) for name in excerpts[0]}

    def _excerpt(self, rng):
        kind = KINDS[rng.choice(len(KINDS), p=self.kind_chances)]
        starts = np.full(SLOTS, GUARD // 2, np.int32)  # silence
        speeds = np.full(SLOTS, SPEED_STEPS, np.int32)
        joins = np.zeros(2, np.float32)
        bank, voice, music = self.bank, None, None
        if kind == "true":
            voice, starts[0], speeds[0] = self._single(bank.true, "vocals", rng)
            shift = bank.offsets[voice, "accompaniment"] - bank.offsets[voice, "vocals"]
            starts[2], speeds[2] = starts[0] + shift, speeds[0]
        while kind != "true" and voice == music:
            if kind == "amalgamation":
                voice, starts[0], speeds[0] = self._single(bank.vocals, "vocals", rng)
            music, starts[2], speeds[2] = self._single(bank.accompaniments, "accompaniment", rng)
        if kind == "amalgamation" and self._happens("second", rng):
            _, starts[1], speeds[1] = self._single(bank.vocals, "vocals", rng)
            joins[0] = gain(rng.uniform(*SECOND_DB))
        elif kind != "instrumental" and self._happens("backing", rng):
            starts[1], speeds[1] = self._backing(starts[0], speeds[0], rng)
            joins[0] = gain(rng.uniform(*augmentation.BACKING_DB))
        if kind != "true" and self._happens("second", rng):
            _, starts[3], speeds[3] = self._single(bank.accompaniments, "accompaniment", rng)
            joins[1] = gain(rng.uniform(*SECOND_DB))
        return {
            "kind": np.int32(KINDS.index(kind)),
            "start": starts,
            "speed": speeds,
            "join": joins,
            "formants": self._formants(speeds, rng),
            "compression": self._each(
                2, "compression", 0.0, lambda: rng.uniform(*augmentation.COMPRESSION), rng
            ),
            "rough": self._each(
                2, "roughness", 0.0, lambda: rng.uniform(*augmentation.ROUGHNESS), rng
            ),
            "flutter": rng.uniform(*augmentation.ROUGHNESS_HZ, 2).astype(np.float32),
            "clip": self._each(
                SLOTS,
                "overdrive",
                LINEAR,
                lambda: gain(-rng.uniform(*augmentation.OVERDRIVE_DB)),
                rng,
            ),
            "colour": self._colours(rng),
            "drums": self._each(
                1, "drums", 1.0, lambda: gain(rng.uniform(*augmentation.DRUMS_DB)), rng
            ),
            **self._echo(kind, rng),
            **self._room(kind, rng),
            "passages": self._passages(rng),
            "balance": np.float32(gain(rng.uniform(*self.mixtures.balance_db))),
            "level": np.float32(gain(rng.uniform(*LEVEL_DB))),
        }

    def _single(self, pool, name, rng):
        """(key of the song, place in the bank, speed) of a stem of a pool."""
        factor = draw_speed(rng) if self._happens("speed", rng) else 1.0
        index, first = pool.draw(rng, source_samples(factor, self.samples))
        song = pool.stems[index][0]
        return song.key, self.bank.offsets[song.key, name] + first, round(factor * SPEED_STEPS)

    def _backing(self, start, speed, rng):
        """The same voice at another pitch, a little late in the middle of the excerpt.

        Unlike `augmentation.add_backing` it goes at another speed too, which costs
        nothing here.
        """
        semitones = rng.choice(augmentation.BACKING_SEMITONES)
        semitones = semitones + rng.normal(0.0, augmentation.BACKING_CENTS / 100.0)
        other = round(speed * 2.0 ** (semitones / 12.0))
        late = rng.uniform(0.0, augmentation.BACKING_SECONDS * self.sample_rate)
        ahead = (self.samples / 2 * (speed - other) - late * other) / SPEED_STEPS
        return start + int(ahead), other

    def _formants(self, speeds, rng):
        """Factors of the two voices' formants, which did not follow their speed."""
        return np.array(
            [
                draw_formants(rng) * SPEED_STEPS / speed if self._happens("formants", rng) else 1.0
                for speed in speeds[:2]
            ],
            np.float32,
        )

    def _colours(self, rng):
        largest, points = augmentation.COLOUR_DB, augmentation.COLOUR_POINTS
        drawn = rng.uniform(-largest, largest, (SLOTS, points)).astype(np.float32)
        return drawn * [[self._happens("colour", rng)] for _ in range(SLOTS)]

    def _echo(self, kind, rng):
        softer = 0.0
        if kind == "amalgamation" and self._happens("echo", rng):
            softer = gain(rng.uniform(*augmentation.ECHO_DB))
        late = rng.uniform(*augmentation.ECHO_SECONDS) * self.sample_rate
        return {"late": np.int32(late), "softer": np.float32(softer)}

    def _room(self, kind, rng):
        wet = 0.0
        if kind == "amalgamation" and self._happens("reverberation", rng):
            wet = gain(rng.uniform(*augmentation.REVERBERATION_DB))
        return {
            "room": np.int32(rng.integers(ROOMS)),
            "decay": np.float32(rng.uniform(*augmentation.REVERBERATION_SECONDS)),
            "wet": np.float32(wet),
        }

    def _passages(self, rng):
        if self._happens("passages", rng):
            return draw_passages(rng, self.samples / self.sample_rate)
        return no_passages()

    def _each(self, count, what, otherwise, drawn, rng):
        values = [drawn() if self._happens(what, rng) else otherwise for _ in range(count)]
        return np.array(values, np.float32)

    def _happens(self, what, rng):
        return self.augment and rng.random() < CHANCES[what]


_drawers = []  # of a process that `start_drawing` started


def start_drawing(songs, decoded, samples, sample_rate):
    """Make a process ready to `draw` excerpts of songs for training."""
    bank = Bank(load_stems(songs, decoded))
    _drawers.append(Drawer(bank, samples, sample_rate, augment=True))


def draw(seed, count):
    """See `Drawer.draw`."""
    return _drawers[0].draw(seed, count)
