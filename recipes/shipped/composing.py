"""Invent music without vocals: notes for a band of General MIDI instruments.

Nothing of it is a melody of anybody's, nor meant to please: it is to hold the timbres and
rhythms that stand behind singers, in ever new combinations. What sings is left out.
"""

import dataclasses

import numpy as np
from instruments import (
    BASSES,
    BEND_SEMITONES,
    CHORDS,
    CRASH,
    GUITARS,
    HATS,
    KICK,
    KITS,
    LEADS,
    OPEN_HAT,
    PERCUSSION,
    RIDES,
    SNARES,
    TOMS,
)
from song_frame import SECTION_BARS, STEPS_PER_BEAT, Song

BENDS_PER_SECOND = 50.0


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
    for bar, _, step, until in _strokes(song, grids, 0.95):
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


def _strokes(song, grids, chance):
    """(bar, number in the bar, step, step of the next) of what a part plays by the rhythms
    of the two sections."""
    for bar, playing in enumerate(song.playing(chance)):
        steps = grids[song.section(bar)] if playing else ()
        for number, (step, until) in enumerate(zip(steps, (*steps[1:], song.steps))):
            yield bar, number, step, until


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
    for bar, number, step, until in _strokes(song, grids, 0.75):
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
