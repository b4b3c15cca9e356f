"""Mixtures on an accelerator: the changes of `vocaltrack.augmentation`, the STFT and
the mel bands of `vocaltrack.features` in `keras.ops`, for whole batches at once.

The tests hold them to the package's own. The two differ in this: what the package does
to waveforms (formants, dynamics, drums, colour) is done here to the STFT that the network hears,
and so after the overdrive and after the second voice or recording has got its loudness;
and the envelope is a smoothed cepstrum instead of a linear prediction. Roughness comes
before the formants, not after, and a backing voice has its own; it and the rooms of an
excerpt are made of the same noise.
"""

import numpy as np
from drawing import ROOMS, SLOTS, SPEED_STEPS
from keras import ops
from spectral_gains import colour_gain, compressor_gain, drums_gain, formant_gain, limited

from vocaltrack import augmentation
from vocaltrack.config import STREAMS
from vocaltrack.mel import mel_filterbank
from vocaltrack.mixing import KINDS
from vocaltrack.shards import CHUNKS_PER_EXCERPT

TAPS = 8  # of the interpolation, to either side


def unpadded_samples(features):
    """Samples of an excerpt, which its frames cover without padding."""
    return (CHUNKS_PER_EXCERPT * features.chunk_frames - 1) * features.hop_length + features.n_fft


def rooms(features):
    """The noise that rooms and roughness are made of, float32 [ROOMS, samples]."""
    size = (ROOMS, unpadded_samples(features))
    return np.random.default_rng(0).standard_normal(size).astype(np.float32)


def resample(waveforms, start, speed, samples):
    """Cut pieces out of a waveform and play them faster or slower, by a windowed sinc.

    Args:
        waveforms: int16 [n], full scale 32768.
        start: int32 [pieces], places of their first samples.
        speed: int32 [pieces], in `SPEED_STEPS`.
        samples: of each piece.

    Returns:
        float32 [pieces, samples].
    """
    scaled = ops.arange(samples, dtype="int32") * speed[:, None]
    whole = start[:, None] + scaled // SPEED_STEPS
    fraction = ops.cast(scaled % SPEED_STEPS, "float32") / SPEED_STEPS
    cutoff = ops.minimum(1.0, SPEED_STEPS / ops.cast(speed, "float32"))[:, None]
    total = 0.0
    for tap in range(1 - TAPS, TAPS + 1):
        distance = tap - fraction
        angle = np.pi * cutoff * distance
        sinc = ops.where(ops.abs(angle) < 1e-5, 1.0, ops.sin(angle) / (angle + 1e-12))
        window = ops.square(ops.cos(np.pi / (2 * TAPS) * distance))
        piece = ops.cast(ops.take(waveforms, whole + tap), "float32") / 32768.0
        total = total + piece * sinc * window * cutoff
    return total


def rms(audio):
    """Root mean square over the last axis, which is kept with length 1."""
    return ops.sqrt(ops.mean(ops.square(audio), axis=-1, keepdims=True) + 1e-12)


def as_loud_as(reference, audio):
    """`augmentation.as_loud_as`, of [..., samples] both."""
    return audio * limited(rms(reference) / rms(audio))


def overdrive(audio, clip):
    """`augmentation.overdrive`; clip is the full scale over the level, [..., 1]."""
    full_scale = rms(audio) * clip
    clipped = full_scale * ops.tanh(audio / full_scale)
    return as_loud_as(audio, clipped)


def roughen(audio, noise, flutter, rough, sample_rate):
    """`augmentation.roughen`: audio and noise [..., samples], the others [..., 1]."""
    wander = ops.cumsum(noise, axis=-1)
    wander = wander * np.sqrt(2 * np.pi * augmentation.ROUGHNESS_WIDTH_HZ / sample_rate)
    time = np.arange(audio.shape[-1], dtype=np.float32) / sample_rate
    rougher = audio * (1.0 + rough * ops.sin(2 * np.pi * flutter * time + wander))
    return as_loud_as(audio, rougher)


def passage_gains(rows, samples, sample_rate):
    """`passages.passage_gains`: rows [n, ROWS, 4], gives [n, 2, samples]."""
    time = np.arange(samples, dtype=np.float32) / np.float32(sample_rate)
    gains = ops.ones((rows.shape[0], 2, samples))
    for number in range(rows.shape[1]):
        row = rows[:, number, :, None]
        inside = (time >= row[:, :1]) & (time < row[:, 1:2])
        gains = ops.where(inside, row[:, 2:], gains)
    return gains


def echo(audio, late, softer):
    """`augmentation.echo`: audio [n, samples], late (in samples) and softer [n]."""
    samples = audio.shape[1]
    longest = ops.pad(audio, ((0, 0), (samples, 0)))
    place = samples + np.arange(samples, dtype=np.int32)
    for number in range(1, augmentation.ECHOES + 1):
        then = ops.maximum(place - number * late[:, None], 0)
        repeated = ops.take_along_axis(longest, then, axis=1)
        audio = audio + ops.power(softer, number)[:, None] * repeated
    return audio


def reverberate(audio, noise, decay, wet, sample_rate):
    """`augmentation.reverberate`: audio [n, samples], noise [n, at least what a room lasts],
    the others [n]."""
    noise = noise[:, : int(augmentation.REVERBERATION_SECONDS[1] * sample_rate)]
    time = np.arange(noise.shape[1], dtype=np.float32) / sample_rate
    decay = decay[:, None]
    room = ops.where(time < decay, noise * ops.power(10.0, -3.0 * time / decay), 0.0)
    room = room / ops.sqrt(ops.sum(ops.square(room), axis=1, keepdims=True))
    size = 1 << int(np.ceil(np.log2(audio.shape[1] + noise.shape[1])))
    a, b = ops.rfft(audio, size), ops.rfft(room, size)
    product = (a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0])
    return audio + wet[:, None] * ops.irfft(product, size)[:, : audio.shape[1]]


def stft(audio, features):
    """(real, imaginary) of [..., samples], [..., frames, bins] each, unpadded."""
    parts = features.n_fft // features.hop_length
    frames = audio.shape[-1] // features.hop_length - parts + 1
    hops = ops.reshape(audio, (*audio.shape[:-1], -1, features.hop_length))
    framed = ops.concatenate([hops[..., i : i + frames, :] for i in range(parts)], axis=-1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(features.n_fft) / features.n_fft)
    return ops.rfft(framed * window.astype(np.float32))


def mix(waveforms, noise, draws, features):
    """Excerpts as the chunks that a network learns from.

    Args:
        waveforms: int16 [n], of `drawing.Bank`.
        noise: float32 [ROOMS, samples], of `rooms`.
        draws: dict of arrays [excerpts, ...]: "kind" (of `KINDS`), and of four stems
            (a voice, one that joins it, music, music that joins it) "start", "speed"
            (see `resample`), "clip" (`overdrive`) and "colour" (points in dB); the
            factors "join" (of the second voice and music), "formants" (of the voices),
            "drums", "balance" (voice over music, or over what it was in true
            mixtures) and "level" (root mean square of the mixture but for its passages);
            "compression" of the voices (the share taken away), "rough" and "flutter"
            (`roughen`), "late" and "softer" of their echo, "room", "decay" and "wet" of their
            reverberation; "passages" (`passages.draw_passages`).
        features: `FeatureConfig`.

    Returns:
        dict from "mixture", "vocals" and "accompaniment" to float32
        [excerpts * 4, chunk_frames, n_mels] in dB.
    """
    count, samples = draws["start"].shape[0], unpadded_samples(features)
    audio = resample(
        waveforms, ops.reshape(draws["start"], (-1,)), ops.reshape(draws["speed"], (-1,)), samples
    )
    audio = ops.reshape(audio, (count, SLOTS, samples))
    room = ops.take(noise, draws["room"], axis=0)
    flutter, rough = (ops.expand_dims(draws[name], -1) for name in ("flutter", "rough"))
    voices = roughen(audio[:, :2], room[:, None], flutter, rough, features.sample_rate)
    audio = ops.concatenate([voices, audio[:, 2:]], axis=1)
    audio = overdrive(audio, draws["clip"][:, :, None])
    first, second = audio[:, ::2], audio[:, 1::2]  # [count, voice and music, samples]
    second = as_loud_as(first, second) * draws["join"][:, :, None]
    voices = [
        reverberate(
            echo(voice[:, 0], draws["late"], draws["softer"]),
            room,
            draws["decay"],
            draws["wet"],
            features.sample_rate,
        )
        for voice in (first, second)
    ]
    audio = ops.stack([*voices, first[:, 1], second[:, 1]], axis=1)
    whole = _spectra(audio, features)
    powers = [ops.square(real) + ops.square(imag) for real, imag in whole]
    gains = colour_gain(draws["colour"], features)[:, :, None]
    shaped = [
        *(_voice_gain(powers[i], draws, i) * gains[:, i] for i in (0, 1)),
        drums_gain(powers[2], draws["drums"][:, 0], features) * gains[:, 2],
        gains[:, 3],
    ]
    factors = _factors(*_stems(whole, shaped), draws, features)
    passages = passage_gains(draws["passages"], samples, features.sample_rate)
    there = _stems(_spectra(audio * ops.repeat(passages, 2, axis=1), features), shaped)
    vocals, music = ([factor * part for part in stem] for factor, stem in zip(factors, there))
    return _chunks(vocals, music, features)


def _spectra(audio, features):
    """(real, imaginary) of each of four stems, [excerpts, frames, bins]; audio is
    [excerpts, 4, samples]."""
    return [stft(audio[:, number], features) for number in range(SLOTS)]


def _stems(spectra, gains):
    """Spectra of vocals and music, each of two recordings."""
    shaped = [(real * g, imag * g) for (real, imag), g in zip(spectra, gains)]
    return [[a + b for a, b in zip(*two)] for two in (shaped[:2], shaped[2:])]


def _voice_gain(power, draws, number):
    """The gain that makes another singer's recording of one of the two voices."""
    gains = formant_gain(power, draws["formants"][:, number])
    return gains * compressor_gain(power * gains**2, draws["compression"][:, number])


def _factors(vocals, music, draws, features):
    """The factors of vocals and music, [n, 1, 1] each, for the balance and the level that
    were drawn."""
    kind, balance = draws["kind"], draws["balance"]
    voice_level, music_level = _level(vocals, features), _level(music, features)
    amalgamated = limited(music_level / voice_level)
    factor = ops.where(kind == KINDS.index("amalgamation"), amalgamated, 1.0) * balance
    factor = ops.where(kind == KINDS.index("instrumental"), 0.0, factor)[:, None, None]
    mixture = [factor * a + b for a, b in zip(vocals, music)]
    level = limited(draws["level"] / _level(mixture, features))[:, None, None]
    return level * factor, level


def _level(spectrum, features):
    """Root mean square of the waveform behind a spectrum, [n], by Parseval."""
    power = ops.sum(ops.square(spectrum[0]) + ops.square(spectrum[1]), axis=-1)
    return ops.sqrt(2.0 * ops.mean(power, axis=-1) / (0.375 * features.n_fft**2) + 1e-12)


def _chunks(vocals, music, features):
    filters = mel_filterbank(features).T
    mixture = [a + b for a, b in zip(vocals, music)]
    chunks = {}
    for name, (real, imag) in zip(STREAMS, (mixture, vocals, music)):
        power = ops.matmul(ops.square(real) + ops.square(imag), filters)
        decibels = 10.0 / np.log(10.0) * ops.log(ops.maximum(power, features.power_floor))
        chunks[name] = ops.reshape(decibels, (-1, features.chunk_frames, features.n_mels))
    return chunks
