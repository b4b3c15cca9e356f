"""Ways to separate a stereo mixture, for choices.py and real_stereo.py."""

import librosa
import numpy as np

from vocaltrack.gains import window_length

STEREO = (
    "one mask, from the middle",
    "a mask for each channel",
    "one mask, then a Wiener filter over both",
)


def in_stereo(separator, mixture, rate):
    """The vocals [samples, 2] in the ways of `STEREO`."""
    one = separator.separate(mixture, rate).vocals
    each = [separator.separate(channel, rate).vocals for channel in mixture.T]
    return one, np.stack(each, axis=1), wiener(mixture, one, separator, rate)


def wiener(mixture, vocals, separator, rate):
    """The vocals by a Wiener filter over both channels: one step of expectation
    maximisation from the masked ones (Nugraha et al. 2016)."""
    size = window_length(rate, separator.features)
    spectra = np.stack(
        [
            librosa.stft(np.ascontiguousarray(stem.T), n_fft=size, hop_length=size // 4)
            for stem in (vocals, mixture - vocals)
        ]
    )  # [stem, channel, bin, frame]
    power = np.mean(np.abs(spectra) ** 2, axis=1) + 1e-10
    spatial = np.einsum("scft,sdft->sfcd", spectra, spectra.conj())
    spatial /= power.sum(axis=-1)[..., np.newaxis, np.newaxis]
    spatial += 1e-3 * np.eye(2)
    covariances = np.einsum("sft,sfcd->sftcd", power, spatial)
    filters = covariances[0] @ np.linalg.inv(covariances.sum(axis=0))
    found = np.einsum("ftcd,dft->cft", filters, spectra.sum(axis=0))
    return librosa.istft(found, hop_length=size // 4, length=len(mixture)).T
