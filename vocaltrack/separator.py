"""Audio in, vocals and accompaniment out, through a SavedModel."""

import dataclasses

import numpy as np
import tensorflow as tf

from vocaltrack.audio import fit_length, resample
from vocaltrack.chunks import song_mask
from vocaltrack.clustering import cluster_mask
from vocaltrack.contract import find_model
from vocaltrack.errors import UserError
from vocaltrack.features import inverse_stft, log_mel, stft
from vocaltrack.griffin_lim import griffin_lim
from vocaltrack.masks import apply_mask
from vocaltrack.savedmodel import load


@dataclasses.dataclass(frozen=True)
class Separation:
    """What came of a mixture.

    Attributes:
        vocals: float32 [samples, channels].
        accompaniment: float32 [samples, channels], the input minus the
            vocals.
        mask: float32 [frames, n_mels], the vocals' mel mask.
    """

    vocals: np.ndarray
    accompaniment: np.ndarray
    mask: np.ndarray


class Separator:
    """Separates vocals from music.

    Args:
        model: dc, hdc, unet, uhnet, or the folder of a SavedModel.
        method: for hdc: "head" takes the mask head's mask, "clusters" the
            k-means of its embeddings. None for the model's own: clusters for
            dc, the mask for the others.
        phase: "mixture" uses the mask as a gain on the complex mixture;
            "griffinlim" is the paper's way, whose SDR is near -3 dB.
        swap: for clusters: take the other cluster as the vocals.

    Raises:
        UserError: there is no such model, or it has no such method.
    """

    def __init__(self, model, method=None, phase="mixture", swap=False):
        self.model = load(find_model(model))
        self.method = method or ("clusters" if self.model.masks is None else "head")
        wanted = {"head": self.model.masks, "clusters": self.model.embeddings}[self.method]
        if wanted is None:
            raise UserError(f"the model {self.model.name} has no {self.method}; leave --method out")
        if swap and self.method != "clusters":
            raise UserError("only clusters can be swapped: use --swap with dc or --method clusters")
        self.phase, self.swap = phase, swap
        self.features = self.model.features

    def mel_mask(self, waveform):
        """The vocals' mask of a mono mixture.

        Args:
            waveform: float32 [samples] at the model's sample rate.

        Returns:
            float32 [frames, n_mels] between 0 and 1.
        """
        frames = log_mel(stft(tf.constant(waveform), self.features), self.features)
        if self.method == "head":
            return np.asarray(song_mask(frames, self.model.masks, self.features))
        return cluster_mask(
            frames, self.model.embeddings, self.features, self.model.masks, self.swap
        )

    def separate(self, audio, sample_rate):
        """Separate a mixture of any length, rate and number of channels.

        One mask, from the mean of the channels, is the gain of each channel.
        The network hears up to 8 kHz; what lies above stays in the
        accompaniment.

        Args:
            audio: float32 [samples, channels] or [samples], at least one
                sample.
            sample_rate: Hz.

        Returns:
            `Separation`, of the input's length, rate and channels.
        """
        channels = audio[:, np.newaxis] if audio.ndim == 1 else audio
        lowered = resample(np.ascontiguousarray(channels), sample_rate, self.features.sample_rate)
        lowered = fit_length(lowered, max(1, len(lowered)))
        mask = self.mel_mask(lowered.mean(axis=1))
        vocals = np.stack([self._channel(c, mask) for c in lowered.T], axis=1)
        vocals = resample(vocals, self.features.sample_rate, sample_rate)
        vocals = fit_length(vocals, len(channels)).reshape(audio.shape)
        return Separation(vocals, audio - vocals, mask)

    def _channel(self, waveform, mask):
        masked = apply_mask(stft(tf.constant(waveform), self.features), mask, self.features)
        if self.phase == "griffinlim":
            return griffin_lim(masked.numpy(), len(waveform), self.features)
        return inverse_stft(masked, len(waveform), self.features).numpy()
