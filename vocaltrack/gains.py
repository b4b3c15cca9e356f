"""A mel mask as a gain on the complex STFT of a mixture at its own rate.

The network hears 16 kHz; the mixture may have any rate. Its STFT has windows
of the same duration, and what lies above the network's range follows the
network's highest bands, so that sibilants keep their air.
"""

import functools

import numpy as np
import scipy.fft

from vocaltrack.mel import mel_to_bins

BATCH_FRAMES = 256
OVERLAPPING = 4  # windows over each sample


def window_length(sample_rate, features):
    """Samples of the STFT window at a rate: about n_fft at the network's
    rate, and of a length that the FFT is fast for."""
    quarter = -(-features.n_fft * sample_rate // (features.sample_rate * OVERLAPPING))
    return OVERLAPPING * scipy.fft.next_fast_len(max(8, quarter), real=True)


class GainStream:
    """Multiplies a mixture by a mel mask, block by block.

    Args:
        channels: number of channels.
        sample_rate: Hz of the mixture.
        features: `FeatureConfig` of the mask.
    """

    def __init__(self, channels, sample_rate, features):
        self.size = window_length(sample_rate, features)
        self.hop = self.size // OVERLAPPING
        # Those within the network's range; all above have one gain, that of the first of them.
        self.network_bins = 1 + self.size * features.sample_rate // (2 * sample_rate)
        self.to_bins = mel_to_bins(features, sample_rate, self.size)[:, : self.network_bins + 1]
        self.per_sample = features.sample_rate / features.hop_length / sample_rate  # mask frames
        self.window = _window(self.size)
        lead = self.size - self.hop
        self.audio = np.zeros((channels, lead), np.float32)
        self.tail = np.zeros((channels, lead), np.float32)
        self.mask = None
        self.mask_first = 0
        self.start = -lead  # sample at which the next window starts
        self.samples = 0
        self.written = -lead

    def push(self, audio, mask, last=False):
        """Add audio and mask, in step or not.

        Args:
            audio: float [samples, channels].
            mask: float32 [frames, n_mels].
            last: whether it is the end of both.

        Returns:
            float32 [n, channels]: the vocals after those returned before; in
            all as many samples as went in.
        """
        self.samples += len(audio)
        self.audio = np.concatenate([self.audio, audio.T.astype(np.float32)], axis=1)
        if len(mask):
            self.mask = mask if self.mask is None else np.concatenate([self.mask, mask])
        if last:
            self.audio = np.pad(self.audio, [(0, 0), (0, 2 * self.size)])
        done = []
        while frames := self._ready(last):
            done.append(self._windows(frames))
        if not done:
            return np.zeros((0, len(self.audio)), np.float32)
        return self._within(np.concatenate(done, axis=1), last)

    def _ready(self, last):
        """Windows that can be computed now, at most a batch."""
        if self.mask is None:
            return 0
        if last:
            needed = -(-(self.samples - self.start) // self.hop)
        else:
            complete = (self.audio.shape[1] - self.size) // self.hop + 1
            frames = self.mask_first + len(self.mask) - 2
            masked = int((frames / self.per_sample - self.start - self.size / 2) // self.hop) + 1
            needed = min(complete, masked)
        return min(BATCH_FRAMES, max(0, needed))

    def _windows(self, frames):
        """Filter the next windows; returns [channels, frames * hop] samples."""
        starts = self.start + self.hop * np.arange(frames)
        gain = self._mask_at((starts + self.size / 2) * self.per_sample) @ self.to_bins
        view = np.lib.stride_tricks.sliding_window_view(self.audio, self.size, axis=1)
        windows = view[:, : frames * self.hop : self.hop] * self.window
        spectrum = scipy.fft.rfft(windows, overwrite_x=True)
        spectrum[:, :, : self.network_bins] *= gain[:, : self.network_bins]
        spectrum[:, :, self.network_bins :] *= gain[:, self.network_bins :]
        windows = scipy.fft.irfft(spectrum, self.size, overwrite_x=True)
        windows *= self.window
        length = frames * self.hop
        total = np.zeros((len(self.audio), length + self.size - self.hop), np.float32)
        total[:, : self.tail.shape[1]] = self.tail
        for part in range(OVERLAPPING):
            pieces = windows[:, :, part * self.hop : (part + 1) * self.hop]
            at = part * self.hop
            total[:, at : at + length] += pieces.reshape(len(self.audio), -1)
        self.tail = total[:, length:]
        self.start += length
        self.audio = self.audio[:, length:]
        return total[:, :length]

    def _mask_at(self, positions):
        """The mask between its frames, float32 [positions, n_mels]; before the
        first and after the last frame it stays as it is there."""
        local = np.clip(positions - self.mask_first, 0, len(self.mask) - 1)
        lower = np.minimum(local.astype(int), max(0, len(self.mask) - 2))
        upper = np.minimum(lower + 1, len(self.mask) - 1)
        share = (local - lower).astype(np.float32)[:, np.newaxis]
        mask = self.mask[lower] * (1 - share) + self.mask[upper] * share
        drop = max(0, int(lower[-1]) - 1)
        self.mask, self.mask_first = self.mask[drop:], self.mask_first + drop
        return mask

    def _within(self, vocals, last):
        """Cut off what lies before the first and after the last sample."""
        before = max(0, -self.written)
        self.written += vocals.shape[1]
        after = max(0, self.written - self.samples) if last else 0
        return np.ascontiguousarray(vocals[:, before : vocals.shape[1] - after].T)


@functools.lru_cache(maxsize=8)
def _window(size):
    """Hann window for analysis and again for synthesis; with four windows over
    each sample, its squares sum to 1."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    return (hann / np.sqrt(1.5)).astype(np.float32)
