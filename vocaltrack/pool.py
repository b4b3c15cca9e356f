"""Where stems sound, and places in them to cut excerpts from."""

import librosa
import numpy as np

SILENCE_DB = 45.0  # below the loudest frame
GAP_SECONDS = 0.5


def sounding_segments(audio, sample_rate):
    """Where a stem sounds, as whole segments (paper, section III-B).

    Gaps shorter than half a second are kept, so that no phrase is cut up,
    and nothing is ever removed sample by sample.

    Args:
        audio: float32 [samples].
        sample_rate: Hz.

    Returns:
        int array [segments, 2] of start and end samples; empty for silence.
    """
    if not np.any(np.abs(audio) > 1e-4):
        return np.zeros((0, 2), int)
    segments = librosa.effects.split(audio, top_db=SILENCE_DB, frame_length=1024, hop_length=256)
    joined = [list(segments[0])]
    for start, end in segments[1:]:
        if start - joined[-1][1] < GAP_SECONDS * sample_rate:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    return np.array(joined)


class Pool:
    """Stems to draw excerpts from; larger datasets are drawn more often, but
    only by the square root of their length, so that small ones are heard. The
    songs of a dataset that have both stems count as one of their own: there are
    few, and they are what a network is for.

    Args:
        stems: list of (song, audio, segments): a `Song`, its stem [samples]
            and where that sounds, [segments, 2].
    """

    def __init__(self, stems):
        self.stems = [stem for stem in stems if len(stem[2])]
        seconds = np.array([np.diff(segments).sum() for _, _, segments in self.stems], float)
        datasets = np.array([f"{song.dataset} {song.stems}" for song, _, _ in self.stems])
        self.chances = seconds.copy()
        for dataset in set(datasets):
            self.chances[datasets == dataset] /= np.sqrt(seconds[datasets == dataset].sum())
        self.chances /= self.chances.sum()

    def __len__(self):
        return len(self.stems)

    def draw(self, rng, samples):
        """A place to cut.

        Args:
            rng: `numpy.random.Generator`.
            samples: length of the piece; a stem that is shorter is taken from its start.

        Returns:
            (index of the stem, first sample).
        """
        index = rng.choice(len(self.stems), p=self.chances)
        _, audio, segments = self.stems[index]
        lengths = np.diff(segments)[:, 0]
        start, end = segments[rng.choice(len(segments), p=lengths / lengths.sum())]
        # A segment that is shorter than the piece lies anywhere within it.
        first = int(rng.integers(min(start, end - samples), max(start, end - samples) + 1))
        return index, max(0, min(first, len(audio) - samples))
