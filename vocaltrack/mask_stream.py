"""Mono mixture in, mel mask out, block by block in bounded memory.

The chunks lie on one grid over the whole song, and each is computed once, so
that a song's mask does not depend on how its samples arrive.
"""

import collections
import functools

import numpy as np
import soxr
import tensorflow as tf

from vocaltrack.chunks import GROUP, chunk_step, cross_fade, split_chunks
from vocaltrack.features import waveform_to_log_mel

AT_ONCE = 2  # groups of chunks computed at a time
_ALL_FRAMES = 2**30


class Downmix:
    """Any channels at any rate to mono at the network's, block by block.

    Args:
        sample_rate: Hz of what comes in.
        target_rate: Hz of what goes out.
    """

    def __init__(self, sample_rate, target_rate):
        self.resampler = None
        if sample_rate != target_rate:
            self.resampler = soxr.ResampleStream(sample_rate, target_rate, 1)

    def push(self, audio, last=False):
        """Add audio.

        Args:
            audio: float [samples, channels].
            last: whether it is the end.

        Returns:
            float32 [n]: the mean of the channels, as far as it is known.
        """
        mono = audio.mean(axis=1, dtype=np.float32)
        return mono if self.resampler is None else self.resampler.resample_chunk(mono, last)


class ChunkPieces:
    """Cuts a song's waveform into the pieces that a group of chunks is
    computed from.

    Args:
        features: `FeatureConfig`.
        overlap: share of a chunk that its neighbour covers too.
    """

    def __init__(self, features, overlap):
        self.features, self.step = features, chunk_step(features, overlap)
        self.margin = features.margin_frames
        # Starts with the silence that the STFT puts before a song.
        self.wave = np.zeros(self.margin * features.hop_length, np.float32)
        self.first = 0  # frame of the song that follows the margin in `wave`
        self.samples = 0
        self.chunks = 0

    @property
    def frames(self):
        """Frames of the song so far."""
        return 1 + self.samples // self.features.hop_length

    def push(self, waveform, last=False):
        """Add samples.

        Args:
            waveform: float32 [n].
            last: whether it is the end.

        Yields:
            (piece, valid, early): float32 [m]; how many of its frames lie within the song;
            and how many frames before its place on the grid the chunk begins, above 0 for a
            song's last alone, see `chunks.split_chunks`.
        """
        self.samples += len(waveform)
        self.wave = np.concatenate([self.wave, waveform])
        while chunks := self._ready(last):
            yield self._piece(self.chunks * self.step, chunks), _ALL_FRAMES, 0
            self.chunks += chunks
            self._forget_before(self.chunks * self.step - self.features.chunk_frames)
        if last:
            start = max(0, self.frames - self.features.chunk_frames)
            yield self._piece(start, 1), self.frames - start, self.chunks * self.step - start

    def _ready(self, last):
        """How many chunks before the last can be computed now, at most a group."""
        size = self.features.chunk_frames
        if last:
            return min(GROUP, -(-max(0, self.frames - size) // self.step) - self.chunks)
        return GROUP if len(self.wave) >= sum(self._place(self.chunks * self.step, GROUP)) else 0

    def _place(self, start, chunks):
        """Where a piece begins in `wave`, and its length in samples."""
        span = (chunks - 1) * self.step + self.features.chunk_frames + 2 * self.margin
        return (start - self.first) * self.features.hop_length, span * self.features.hop_length

    def _piece(self, start, chunks):
        begin, length = self._place(start, chunks)
        piece = self.wave[begin : begin + length]
        return np.pad(piece, (0, length - len(piece)))

    def _forget_before(self, frame):
        frame = max(self.first, frame)
        self.wave = self.wave[(frame - self.first) * self.features.hop_length :]
        self.first = frame


class MaskStream:
    """A song's mask, as its waveform comes in.

    It lags behind the waveform by up to `AT_ONCE` groups of chunks, 12 s each.

    Args:
        predict: maps chunks [n, chunk_frames, n_mels] to the vocals' masks.
        features: `FeatureConfig`.
        overlap: share of a chunk that its neighbour covers too.
        pool: `concurrent.futures.Executor` that calls `predict`. While a group of chunks
            is computed, the next one is too: a network alone does not keep all cores
            busy, since its parts wait for each other.
    """

    def __init__(self, predict, features, overlap, pool):
        self.predict, self.features, self.overlap, self.pool = predict, features, overlap, pool
        self.pieces = ChunkPieces(features, overlap)
        self.ramp = cross_fade(features)
        # Weighted sum and weights of the frames that the next chunks cover too.
        self.sum = np.zeros((0, features.n_mels), np.float32)
        self.weight = np.zeros((0, 1), np.float32)
        self.under_way = collections.deque()
        self.done = 0

    def push(self, waveform, last=False):
        """Add samples.

        Args:
            waveform: float32 [n] at the model's rate.
            last: whether it is the end.

        Returns:
            float32 [frames, n_mels], what follows what was returned before.
        """
        frames = [np.zeros((0, self.features.n_mels), np.float32)]
        for piece in self.pieces.push(waveform, last):
            self.under_way.append(self.pool.submit(self._computed, *piece))
            if len(self.under_way) == AT_ONCE:
                frames.append(self._join(self.under_way.popleft().result()))
        while last and self.under_way:
            frames.append(self._join(self.under_way.popleft().result()))
        if last:
            frames.append(self.sum / self.weight)
        mask = np.concatenate(frames)
        if last:
            mask = mask[: self.pieces.frames - self.done]
        self.done += len(mask)
        return mask

    def _computed(self, piece, valid, early):
        masks = self.predict(piece_to_chunks(piece, valid, self.features, self.overlap))
        return np.roll(masks, -early, axis=1)

    def _join(self, chunks):
        """The frames that no chunk after these covers, as `join_chunks` has them.

        In numpy, since TensorFlow takes forty times as long for so little outside of
        a graph.
        """
        step, size = self.pieces.step, self.features.chunk_frames
        length = (len(chunks) - 1) * step + size
        total = np.zeros((length, self.features.n_mels), np.float32)
        weight = np.zeros((length, 1), np.float32)
        total[: len(self.sum)], weight[: len(self.sum)] = self.sum, self.weight
        for number, chunk in enumerate(chunks):
            place = slice(number * step, number * step + size)
            total[place] += chunk * self.ramp
            weight[place] += self.ramp
        done = len(chunks) * step
        self.sum, self.weight = total[done:], weight[done:]
        return total[:done] / weight[:done]


def piece_to_chunks(piece, valid, features, overlap):
    """The chunks of a piece of `ChunkPieces`.

    Args:
        piece: float32 [m].
        valid: how many frames lie within the song; the others are silence.
        features: `FeatureConfig`.
        overlap: share of a chunk that its neighbour covers too.

    Returns:
        float32 [n, chunk_frames, n_mels], log-mel in dB.
    """
    return _chunker(features, overlap)(piece, valid)


@functools.lru_cache(maxsize=8)
def _chunker(features, overlap):
    """`piece_to_chunks` as a graph, which takes half the time."""
    margin = features.margin_frames
    signature = [tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32)]

    @tf.function(input_signature=signature, autograph=False)
    def chunks_of(piece, valid):
        frames = waveform_to_log_mel(piece, features)[margin : -margin - 1]
        within = tf.range(tf.shape(frames)[0]) < valid
        frames = tf.where(within[:, tf.newaxis], frames, features.floor_db)
        return split_chunks(frames, features, overlap)

    return chunks_of
