"""Write invented music without vocals, as plain stems to train on.

    python recipes/shipped/synthetic_music.py -o synthetic --songs 240

Writes synthetic/train/synthetic-000/accompaniment.opus and so on, 16 kHz, mono. FluidSynth
(`apt install fluidsynth fluid-soundfont-gm`) plays each part of composing.py with the
instruments of a soundfont; the parts get amplifiers, colours, rooms and loudnesses of their
own and are added up. The same seed gives the same music.
"""

import argparse
import functools
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import mido
import numpy as np
import soundfile
import soxr
from composing import compose
from instruments import BEND_SEMITONES, GUITARS

from vocaltrack import augmentation
from vocaltrack.augmentation import gain, rms
from vocaltrack.errors import UserError, exits_on_user_error
from vocaltrack.files import write_atomically
from vocaltrack.options import COUNT, SEED

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SAMPLE_RATE = 16000
RENDERED_RATE = 44100
SECONDS = 45.0
TICKS_PER_SECOND = 960  # 480 to a beat at MIDI's 120 beats per minute
DRUM_CHANNEL = 9
LOUDNESS_DB = {
    "drums": (-6.0, 4.0),
    "bass": (-8.0, 2.0),
    "chords": (-12.0, 0.0),
    "lead": (-10.0, 2.0),
}
AMPLIFIED, AMPLIFIED_GUITARS = 0.15, 0.6  # chances
DRIVE_DB = (0.0, 30.0)
CABINET_HZ = (2500.0, 6000.0)
ROOM_CHANCE = 0.5
PEAK_DB = -1.0


def midi(part):
    """A `composing.Part` as a `mido.MidiFile` of one track."""
    channel = DRUM_CHANNEL if part.role == "drums" else 0
    events = [(0.0, 0, mido.Message("program_change", channel=channel, program=part.program))]
    for note in part.notes:
        on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
        off = mido.Message("note_off", channel=channel, note=note.pitch)
        events += [(note.end, 1, off), (note.start, 3, on)]
    for seconds, semitones in part.bends:
        pitch = round(8191 * semitones / BEND_SEMITONES)
        events.append((seconds, 2, mido.Message("pitchwheel", channel=channel, pitch=pitch)))
    track, now = mido.MidiTrack(), 0
    for seconds, _, message in sorted(events, key=lambda event: event[:2]):
        tick = round(seconds * TICKS_PER_SECOND)
        track.append(message.copy(time=tick - now))
        now = tick
    return mido.MidiFile(tracks=[track], ticks_per_beat=TICKS_PER_SECOND // 2)


def play(part, soundfont):
    """A part as FluidSynth plays it, dry: float32 [samples] at 16 kHz.

    Raises:
        UserError: FluidSynth does not read the soundfont.
    """
    with tempfile.TemporaryDirectory() as folder:
        notes, played = Path(folder) / "part.mid", Path(folder) / "part.wav"
        midi(part).save(notes)
        options = ["-o", "synth.reverb.active=0", "-o", "synth.chorus.active=0", "-g", "0.5"]
        said = subprocess.run(
            ["fluidsynth", "-ni", *options, "-r", str(RENDERED_RATE), "-F", played]
            + [soundfont, notes],
            check=True,
            capture_output=True,
        ).stderr
        if b"fluidsynth: error" in said:  # it plays its own soundfont then
            raise UserError(f"{soundfont} cannot be read as a soundfont; give another")
        audio, _ = soundfile.read(played, dtype="float32", always_2d=True)
    samples = round(SECONDS * RENDERED_RATE)
    mono = audio.mean(axis=1)[:samples]
    mono = np.pad(mono, (0, samples - len(mono)))
    return soxr.resample(mono, RENDERED_RATE, SAMPLE_RATE)


def amplify(audio, rng):
    """An overdriven amplifier and the loudspeaker's fall above some kilohertz."""
    level = rms(audio) + 1e-9
    driven = np.tanh(audio / level * gain(rng.uniform(*DRIVE_DB)))
    spectrum = np.fft.rfft(driven)
    hertz = np.fft.rfftfreq(len(driven), 1.0 / SAMPLE_RATE)
    return np.fft.irfft(spectrum / (1.0 + (hertz / rng.uniform(*CABINET_HZ)) ** 4), len(driven))


def record(part, audio, rng):
    """A part as it comes out of a studio, at its loudness in the mix.

    Args:
        part: `composing.Part`.
        audio: float32 [samples], the part as it was played.
        rng: `numpy.random.Generator`.

    Returns:
        float [samples].
    """
    guitar = part.role != "drums" and part.program in GUITARS
    if rng.random() < (AMPLIFIED_GUITARS if guitar else AMPLIFIED):
        audio = amplify(audio, rng)
    audio = augmentation.colour(audio, rng, SAMPLE_RATE)
    if rng.random() < ROOM_CHANCE:
        audio = augmentation.reverberate(audio, rng, SAMPLE_RATE)
    return audio / (rms(audio) + 1e-9) * gain(rng.uniform(*LOUDNESS_DB[part.role]))


def invent(number, seed, soundfont):
    """One song's music: float32 [samples], peak at -1 dB of full scale."""
    rng = np.random.default_rng((seed, number))
    parts = compose(rng, SECONDS)
    mixed = sum(record(part, play(part, soundfont), rng) for part in parts)
    return (mixed / np.abs(mixed).max() * gain(PEAK_DB)).astype(np.float32)


def write_song(number, output, seed, soundfont):
    """Write a song, unless it is there."""
    path = output / "train" / f"synthetic-{number:03}" / "accompaniment.opus"
    if path.exists():
        return
    audio = invent(number, seed, soundfont)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        path,
        lambda p: soundfile.write(
            p, audio, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=0.9
        ),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of stems")
    parser.add_argument("--songs", type=COUNT, default=240, help="of 45 s each")
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--soundfont", type=Path, default=SOUNDFONT, help="default: FluidR3 GM")
    options = parser.parse_args()
    if not shutil.which("fluidsynth") or not options.soundfont.exists():
        raise UserError(
            "FluidSynth or its soundfont is not there: apt install fluidsynth fluid-soundfont-gm"
        )
    write = functools.partial(
        write_song, output=options.output, seed=options.seed, soundfont=options.soundfont
    )
    with ProcessPoolExecutor() as pool:
        list(pool.map(write, range(options.songs)))


if __name__ == "__main__":
    with exits_on_user_error():
        main()
