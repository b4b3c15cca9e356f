"""What a dataset is made of: songs, their stems, and who sings them."""

import dataclasses
import unicodedata
from pathlib import Path

import numpy as np

from vocaltrack.audio import open_audio, read_audio, resample
from vocaltrack.config import STEM_NAMES
from vocaltrack.errors import UserError
from vocaltrack.progress import say_beside_bar

UNEQUAL_SECONDS = 0.1  # encoders add and leave out less


@dataclasses.dataclass(frozen=True)
class Source:
    """One recording that takes part in a stem.

    Attributes:
        path: the audio file.
        channel: the channel to take; None for the mean of all.
        track: the audio track to take; a Native Instruments .stem.mp4 (MUSDB18) holds
            each stem in one.
    """

    path: Path
    channel: int | None = None
    track: int = 0

    def load(self, sample_rate, channels=None):
        """The recording as float32 at `sample_rate` Hz.

        Args:
            sample_rate: Hz.
            channels: how many; a mono recording is then in all of them. None for the
                mean of the recording's.

        Returns:
            [samples, channels], or [samples] without `channels`.

        Raises:
            UserError: the recording cannot be read or has other channels.
        """
        audio, rate = read_audio(self.path, self.track)
        if self.channel is not None:
            if self.channel >= audio.shape[1]:
                raise UserError(
                    f"{self.path} has no channel {self.channel + 1}; is it a stereo file?"
                )
            audio = audio[:, self.channel : self.channel + 1]
        if channels is None:
            audio = audio.mean(axis=1)
        elif audio.shape[1] == 1:
            audio = audio.repeat(channels, axis=1)
        elif audio.shape[1] != channels:
            raise UserError(
                f"{self.path} has {audio.shape[1]} channels, another recording of its song "
                f"{channels}; give all as many"
            )
        return resample(np.ascontiguousarray(audio), rate, sample_rate)

    def own_format(self):
        """(sample rate in Hz, channels) of the recording."""
        file = open_audio(self.path, track=self.track)
        return file.sample_rate, file.channels if self.channel is None else 1


@dataclasses.dataclass(frozen=True)
class Clip:
    """A stretch of a song with its stems; the sources of a stem are summed."""

    vocals: tuple[Source, ...] = ()
    accompaniment: tuple[Source, ...] = ()


@dataclasses.dataclass(frozen=True)
class Song:
    """A song of a dataset.

    Attributes:
        name: unique within the dataset.
        dataset: name of the dataset, e.g. "MIR-1K".
        singer: who sings; songs of one singer never cross the splits.
        split: "train", "valid" or "test".
        clips: the song's recordings in order; mostly one.
    """

    name: str
    dataset: str
    singer: str
    split: str
    clips: tuple[Clip, ...]

    @property
    def key(self):
        """Name that is unique across datasets, and the same however a disk spells its accents."""
        return unicodedata.normalize("NFC", f"{self.dataset}/{self.name}")

    @property
    def stems(self):
        """The stems that this song has, of `config.STEM_NAMES`."""
        return tuple(name for name in STEM_NAMES if all(getattr(c, name) for c in self.clips))

    @property
    def sources(self):
        """All recordings that take part in it: list of `Source`."""
        return [s for clip in self.clips for s in (*clip.vocals, *clip.accompaniment)]

    def own_format(self):
        """(sample rate in Hz, channels): the highest and the most among its recordings."""
        formats = [source.own_format() for source in self.sources]
        return tuple(max(of) for of in zip(*formats))

    def load(self, sample_rate, channels=None):
        """The stems of the whole song.

        Args:
            sample_rate: Hz.
            channels: see `Source.load`.

        Returns:
            dict from each of `stems` to float32 [samples, channels], or [samples]
            without `channels`, all of one length;
            clips follow each other, and where the recordings of a clip differ in
            length silence follows the shorter, which is said from `UNEQUAL_SECONDS` on.
        """
        parts = {name: [] for name in self.stems}
        for clip in self.clips:
            recordings = {
                name: [(s.path, s.load(sample_rate, channels)) for s in getattr(clip, name)]
                for name in self.stems
            }
            samples = max(len(audio) for stem in recordings.values() for _, audio in stem)
            for name, stem in recordings.items():
                total = np.zeros((samples, *stem[0][1].shape[1:]), np.float32)
                for path, audio in stem:
                    total[: len(audio)] += audio
                    _tell_if_shorter(path, (samples - len(audio)) / sample_rate)
                parts[name].append(total)
        return {name: np.concatenate(stems) for name, stems in parts.items()}


def _tell_if_shorter(path, seconds):
    if seconds >= UNEQUAL_SECONDS:
        say_beside_bar(
            f"warning: {path} is {seconds:.1f} s shorter than the song's longest recording; "
            "silence follows it"
        )
