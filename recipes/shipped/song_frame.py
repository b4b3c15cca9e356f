"""What the parts of an invented song share: tempo, bars, sections, key and chords."""

import dataclasses

import numpy as np

BEATS_PER_MINUTE = (65.0, 175.0)
STEPS_PER_BEAT = 4
SECTION_BARS = 8
SCALES = (
    (0, 2, 4, 5, 7, 9, 11),  # major
    (0, 2, 3, 5, 7, 8, 10),  # minor
    (0, 2, 3, 5, 7, 9, 10),  # dorian
    (0, 2, 4, 5, 7, 9, 10),  # mixolydian
)
PROGRESSIONS = (
    (0, 4, 5, 3),
    (5, 3, 0, 4),
    (0, 3, 4, 4),
    (0, 5, 3, 4),
    (0, 6, 3, 0),
    (1, 4, 0, 0),
    (0, 0, 3, 4),
    (0, 2, 3, 4),
)


@dataclasses.dataclass(frozen=True)
class Note:
    """One note: start and end in seconds, MIDI pitch and velocity."""

    start: float
    end: float
    pitch: int
    velocity: int


class Song:
    """The frame that all parts share.

    Args:
        rng: `numpy.random.Generator`.
        seconds: to fill.
    """

    def __init__(self, rng, seconds):
        self.rng = rng
        self.beat = 60.0 / rng.uniform(*BEATS_PER_MINUTE)
        self.beats = int(rng.choice((3, 4), p=(0.2, 0.8)))
        self.steps = self.beats * STEPS_PER_BEAT
        self.swing = rng.uniform(0.1, 0.33) if rng.random() < 0.25 else 0.0
        self.key, self.scale = int(rng.integers(12)), SCALES[rng.integers(len(SCALES))]
        self.bars = int(np.ceil(seconds / (self.beats * self.beat)))
        degrees = [self._degrees() for _ in range(2)]
        self.sections = [int(rng.integers(2)) for _ in range(self.bars // SECTION_BARS + 1)]
        self.degrees = [degrees[self.section(bar)][bar % 4] for bar in range(self.bars)]

    def _degrees(self):
        if self.rng.random() < 0.6:
            return PROGRESSIONS[self.rng.integers(len(PROGRESSIONS))]
        return tuple(int(degree) for degree in self.rng.integers(0, 7, 4))

    def section(self, bar):
        """Which of the song's two sections a bar is in."""
        return self.sections[bar // SECTION_BARS]

    def seconds(self, bar, step):
        """When a step (a quarter of a beat) of a bar begins; every other one swings."""
        late = self.swing * (step % 2)
        return (bar * self.beats + (step + late) / STEPS_PER_BEAT) * self.beat

    def pitch(self, degree, octave):
        """MIDI pitch of a degree of the scale, which may lie beyond the octave."""
        return 12 * octave + self.key + 12 * (degree // 7) + self.scale[degree % 7]

    def note(self, bar, step, steps, pitch, loudness):
        """A note as a player has it: a little early or late, never twice as loud."""
        start = max(0.0, self.seconds(bar, step) + self.rng.normal(0.0, 0.008))
        velocity = int(np.clip(127 * loudness + self.rng.normal(0.0, 8.0), 20, 127))
        return Note(start, start + steps * self.beat / STEPS_PER_BEAT, int(pitch), velocity)

    def playing(self, chance):
        """Of each bar, whether a part plays: in one of the song's sections at least."""
        chosen = self.rng.random(2) < chance
        chosen[self.rng.integers(2)] = True
        if len({self.section(bar) for bar in range(self.bars)}) == 1:
            chosen[:] = True
        return [bool(chosen[self.section(bar)]) for bar in range(self.bars)]
