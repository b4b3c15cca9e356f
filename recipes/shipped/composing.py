"""Invent music without vocals: notes for a band of General MIDI instruments.

Nothing of it is a melody of anybody's, nor meant to please: it is to hold the timbres and
rhythms that stand behind singers, in ever new combinations. What sings is left out.
"""

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
KITS = (0, 8, 16, 24, 25, 32, 40)
KICK, SNARES, HATS, OPEN_HAT, RIDES, CRASH = 36, (37, 38, 39, 40), (42, 44), 46, (51, 53), 49
TOMS = (41, 43, 45, 47, 48, 50)
PERCUSSION = (54, 56, 60, 61, 62, 63, 64, 69, 70, 75, 82)
VOICES = (52, 53, 54, 85, 91)  # choir, "oohs", synthetic voices
GUITARS, BASSES, BOWED, BRASS = range(24, 32), range(32, 40), range(40, 47), range(56, 64)
KEYS, BELLS, ORGANS, STRINGS = range(8), range(9, 14), range(16, 24), range(48, 52)
WINDS, LEAD_SYNTHS, PADS, ETHNIC = range(64, 80), range(80, 88), range(88, 96), range(104, 112)


def without_voices(*families):
    """The programs of families of instruments, but for those that sing."""
    return tuple(p for programs in families for p in programs if p not in VOICES)


CHORDS = without_voices(KEYS, BELLS, ORGANS, GUITARS, STRINGS, BRASS, PADS)
LEADS = without_voices(GUITARS, BOWED, BRASS, WINDS, LEAD_SYNTHS, ETHNIC)
BEND_SEMITONES = 2.0  # of a full pitch bend, as General MIDI has it
BENDS_PER_SECOND = 50.0


@dataclasses.dataclass(frozen=True)
class Note:
    """One note: start and end in seconds, MIDI pitch and velocity."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclasses.dataclass(frozen=True)
class Part:
    """What one player of the band plays.

    Attributes:
        role: "drums", "bass", "chords" or "lead".
        program: of General MIDI, from 0; for drums the kit's.
        notes: list of `Note`, in no order.
        bends: list of (seconds, semitones): what the pitch is bent by from then on.
    """

    role: str
    program: int
    notes: list
    bends: list


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


def compose(rng, seconds):
    """A band's parts, of `seconds` and the rest of the last bar.

    Args:
        rng: `numpy.random.Generator`.
        seconds: to fill.

    Returns:
        list of `Part`: two at least.
    """
    song = Song(rng, seconds)
    parts = [_chords(song) for _ in range(rng.integers(1, 4))]
    if rng.random() < 0.85:
        parts.append(_drums(song))
    if rng.random() < 0.85 or len(parts) < 2:
        parts.append(_bass(song))
    return parts + [_lead(song) for _ in range(rng.integers(0, 3))]


def _drums(song):
    rng, notes = song.rng, []
    patterns = [_beat(song) for _ in range(2)]
    for bar, playing in enumerate(song.playing(0.9)):
        if not playing:
            continue
        last = bar % SECTION_BARS == SECTION_BARS - 1
        fill = song.steps - rng.integers(2, 9) if last and rng.random() < 0.7 else song.steps
        for drum, loud in patterns[song.section(bar)]:
            hits = np.flatnonzero(rng.random(song.steps) < loud)
            notes += [song.note(bar, s, 1, drum, 0.8) for s in hits if s < fill]
        for step in range(fill, song.steps):
            if rng.random() < 0.8:
                notes.append(song.note(bar, step, 1, rng.choice((*TOMS, SNARES[1])), 0.85))
        if bar % SECTION_BARS == 0 and rng.random() < 0.6:
            notes.append(song.note(bar, 0, 8, CRASH, 0.9))
    return Part("drums", int(rng.choice(KITS)), notes, [])


def _beat(song):
    """list of (drum, chance of each step of a bar that it is struck)."""
    rng, step = song.rng, np.arange(song.steps)
    on_beat, off_beat = step % STEPS_PER_BEAT == 0, step % STEPS_PER_BEAT == 2
    back = step % (2 * STEPS_PER_BEAT) == STEPS_PER_BEAT
    kick = rng.choice(3, p=(0.5, 0.3, 0.2))
    kicks = (
        np.where(step == 0, 1.0, rng.choice((0.02, 0.5), song.steps, p=(0.75, 0.25))),
        np.where(on_beat, 1.0, 0.03),
        np.where(step % 2 == 0, 0.95, rng.choice((0.05, 0.8))),
    )[kick]
    beat = [
        (KICK, np.where(back & (kick != 1), 0.1, kicks)),
        (int(rng.choice(SNARES)), np.where(back, 0.98, rng.choice((0.0, 0.04, 0.15)))),
    ]
    every = rng.choice(4, p=(0.45, 0.25, 0.15, 0.15))
    cymbal = int(rng.choice((*HATS, OPEN_HAT, *RIDES)))
    chances = (on_beat | off_beat, step >= 0, off_beat, on_beat)[every]
    beat.append((cymbal, np.where(chances, 0.95, 0.04)))
    for drum in rng.choice(PERCUSSION, rng.integers(0, 3), replace=False):
        beat.append((int(drum), rng.choice((0.03, 0.9), song.steps, p=(0.7, 0.3))))
    return beat


def _bass(song):
    rng, notes = song.rng, []
    octave, length = int(rng.integers(2, 4)), rng.choice((0.5, 0.9, 1.0))
    grids = [_rhythm(song) for _ in range(2)]
    wander = rng.choice((0.05, 0.2, 0.6))
    for bar, playing in enumerate(song.playing(0.95)):
        steps = grids[song.section(bar)] if playing else ()
        for step, until in zip(steps, (*steps[1:], song.steps)):
            other = rng.choice((2, 4, 7, -1)) if rng.random() < wander and step else 0
            pitch = song.pitch(song.degrees[bar] + other, octave)
            notes.append(song.note(bar, step, (until - step) * length, pitch, 0.8))
    return Part("bass", int(rng.choice(BASSES)), notes, [])


def _rhythm(song):
    """Steps of a bar at which something is played, the first one always."""
    rng, step = song.rng, np.arange(song.steps)
    kind = rng.integers(5)
    if kind == 0:
        return (0,)
    if kind < 4:
        return tuple(int(s) for s in step[step % (4, 2, 1)[kind - 1] == 0])
    played = rng.random(song.steps) < np.where(step % 2 == 0, 0.5, 0.2)
    return tuple(int(s) for s in step[played | (step == 0)])


def _chords(song):
    rng, notes = song.rng, []
    program, octave = int(rng.choice(CHORDS)), int(rng.integers(3, 6))
    if rng.random() < 0.35:
        program, octave = int(rng.choice(GUITARS)), int(rng.integers(3, 5))
    tones = ((0, 4, 7), (0, 2, 4), (0, 2, 4, 6), (0, 4, 7, 9))[
        rng.choice(4, p=(0.2, 0.4, 0.2, 0.2))
    ]
    arpeggio, length = rng.random() < 0.3, rng.choice((0.3, 0.8, 1.0))
    strum = rng.uniform(0.0, 0.1) if program in GUITARS else 0.0  # steps between strings
    grids = [_rhythm(song) for _ in range(2)]
    for bar, playing in enumerate(song.playing(0.75)):
        steps = grids[song.section(bar)] if playing else ()
        for number, (step, until) in enumerate(zip(steps, (*steps[1:], song.steps))):
            struck = tones[number % len(tones) :][:1] if arpeggio else tones
            for string, tone in enumerate(struck):
                pitch = song.pitch(song.degrees[bar] + tone, octave)
                steps_held = (until - step) * length
                notes.append(song.note(bar, step + string * strum, steps_held, pitch, 0.7))
    return Part("chords", program, notes, [])


def _lead(song):
    """A melody in phrases, with vibrato, sliding from note to note at times."""
    rng, notes, bends = song.rng, [], []
    program, octave = int(rng.choice(LEADS)), int(rng.integers(4, 7))
    depth, hertz = rng.choice((0.0, 0.15, 0.3, 0.5)), rng.uniform(4.0, 7.0)
    slide, degree = rng.choice((0.0, 0.3, 0.6)), int(rng.integers(7))
    for bar, playing in enumerate(song.playing(0.6)):
        step = int(rng.integers(0, 3))
        while playing and step < song.steps:
            steps = int(rng.choice((1, 2, 2, 3, 4, 4, 6, 8)))
            degree = int(np.clip(degree + rng.choice((-3, -2, -1, -1, 0, 1, 1, 2, 4)), -4, 10))
            if rng.random() < 0.8:
                note = song.note(bar, step, 0.95 * steps, song.pitch(degree, octave), 0.8)
                notes.append(note)
                from_below = -rng.uniform(0.5, 2.0) if rng.random() < slide else 0.0
                bends += _bent(note, from_below, depth, hertz)
            step += steps
    return Part("lead", program, notes, bends)


def _bent(note, from_below, depth, hertz):
    """Bends of one note: it slides to its pitch within 0.12 s; vibrato sets in after."""
    time = np.arange(0.0, note.end - note.start, 1.0 / BENDS_PER_SECOND)
    slide = from_below * np.clip(1.0 - time / 0.12, 0.0, 1.0)
    vibrato = depth * np.clip(time / 0.4 - 0.5, 0.0, 1.0) * np.sin(2.0 * np.pi * hertz * time)
    semitones = np.clip(slide + vibrato, -BEND_SEMITONES, BEND_SEMITONES)
    return [(note.start + float(t), float(s)) for t, s in zip(time, semitones)]
