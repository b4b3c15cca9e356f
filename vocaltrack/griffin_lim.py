"""Phase from magnitudes alone: the paper's way back to audio."""

import numpy as np

from vocaltrack.mel import mel_filterbank, mel_to_bins

ITERATIONS = 32
SEED = 0  # of the random phase to start from
SEGMENT_SECONDS = 10.0
FADE_SECONDS = 0.1


class GriffinLimStream:
    """Throws the phase of a signal away and estimates another (paper, section
    III-C), in segments of ten seconds that fade into each other.

    Kept for fidelity only: the result's SDR stays near -3 dB even for a
    perfect mask, since its phase has nothing to do with the singer's.

    Args:
        channels: number of channels.
        sample_rate: Hz.
        n_fft: STFT frame length.
    """

    def __init__(self, channels, sample_rate, n_fft):
        self.n_fft = n_fft
        self.size = round(SEGMENT_SECONDS * sample_rate)
        fade = round(FADE_SECONDS * sample_rate)
        # Neighbours have nothing to do with each other: their powers add up.
        self.rise = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade).astype(np.float32)
        self.pending = np.zeros((0, channels), np.float32)
        self.tail = None

    def push(self, audio, last=False):
        """Add audio.

        Args:
            audio: float32 [samples, channels].
            last: whether it is the end.

        Returns:
            float32 [n, channels], what follows what was returned before.
        """
        self.pending = np.concatenate([self.pending, audio])
        done = []
        while len(self.pending) >= self.size + len(self.rise):
            done.append(self._segment(self.size))
        if last and len(self.pending):
            done.append(self._segment(len(self.pending)))
        return np.concatenate(done) if done else self.pending[:0]

    def _segment(self, size):
        fade = len(self.rise)
        piece, self.pending = self.pending[: size + fade], self.pending[size:]
        fresh = np.stack([griffin_lim(c, self.n_fft) for c in piece.T], axis=1)
        if self.tail is not None:
            length = min(fade, len(fresh))
            fresh[:length] *= self.rise[:length, np.newaxis]
            fresh[:length] += self.tail[:length]
        self.tail = fresh[size:] * self.rise[::-1, np.newaxis][: len(fresh) - size]
        return fresh[:size]


def griffin_lim(waveform, n_fft):
    """A waveform of the same STFT magnitudes and an estimated phase.

    Args:
        waveform: float32 [samples].
        n_fft: STFT frame length in samples; the hop is a quarter of it.

    Returns:
        float32 [samples].
    """
    import librosa  # half a second that the other phase need not spend

    padded = np.pad(waveform, (0, max(0, n_fft - len(waveform))))
    magnitude = np.abs(librosa.stft(padded, n_fft=n_fft, pad_mode="constant"))
    return magnitude_to_audio(magnitude, n_fft // 4, len(padded))[: len(waveform)]


def magnitude_to_audio(magnitude, hop_length, samples):
    """Griffin-Lim on magnitudes [1 + n_fft // 2, frames]; float32 [samples]."""
    import librosa

    waveform = librosa.griffinlim(
        magnitude, n_iter=ITERATIONS, hop_length=hop_length, length=samples, random_state=SEED
    )
    return waveform.astype(np.float32)


def mel_power_to_audio(power, features):
    """Mel power to audio, for listening only.

    Each band's power is spread evenly over the bins of its triangle; the
    paper's code inverts the mel matrix by `pinv`, whose result can be
    negative, since the matrix has not full rank.

    Args:
        power: float32 [frames, n_mels], at least two frames.
        features: `FeatureConfig`.

    Returns:
        float32 [(frames - 1) * hop_length], at most full scale.
    """
    widths = mel_filterbank(features).sum(axis=1)
    to_bins = mel_to_bins(features, features.sample_rate, features.n_fft)
    linear = (power / np.maximum(widths, 1e-9)) @ to_bins
    samples = (len(power) - 1) * features.hop_length
    audio = magnitude_to_audio(np.sqrt(linear).T, features.hop_length, samples)
    return audio / max(1.0, np.max(np.abs(audio)))
