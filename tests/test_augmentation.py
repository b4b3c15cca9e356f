"""Speed, formants, colour, room, echo, backing voices, overdrive, dynamics and drums of a
stem: as large as stated, and nothing else changes."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.signal import lfilter

from vocaltrack import augmentation
from vocaltrack.augmentation import (
    BACKING_DB,
    BACKING_SECONDS,
    BACKING_SEMITONES,
    COLOUR_DB,
    COMPRESSION,
    DRUMS_DB,
    ECHO_DB,
    ECHO_SECONDS,
    REVERBERATION_DB,
    REVERBERATION_SECONDS,
    ROUGHNESS,
    ROUGHNESS_HZ,
    ROUGHNESS_WIDTH_HZ,
    add_backing,
    as_loud_as,
    change_drums,
    change_speed,
    colour,
    compress,
    draw_formants,
    draw_speed,
    echo,
    overdrive,
    reverberate,
    rms,
    roughen,
    source_samples,
)
from vocaltrack.formants import FORMANT_GAIN_DB, shift_formants

RATE = 16000
SLOWEST, FASTEST = 2 ** (-6 / 12), 2 ** (6 / 12)
FACTORS = (SLOWEST, 0.9, 0.9999, 1.0, 1.0001, 1.07, FASTEST)


def noise(seed, samples=4 * RATE):
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def impulse(first, samples):
    audio = np.zeros(samples, np.float32)
    audio[first] = 1.0
    return audio


def sine(hertz, samples):
    return np.sin(2 * np.pi * hertz * np.arange(samples) / RATE).astype(np.float32)


def rng(seed):
    return np.random.default_rng(seed)


def decibels(power):
    return 10 * np.log10(power)


def room(seed):
    """(dB below the dry sound, seconds, 60 dB decay time) of a drawn reverberation,
    from what an impulse leaves behind."""
    tail = reverberate(impulse(0, 2 * RATE), rng(seed), RATE).astype(np.float64)
    tail[0] -= 1.0
    samples = np.flatnonzero(np.abs(tail) > 1e-9)[-1] + 1
    power = np.square(tail[: samples - samples % 20]).reshape(20, -1)
    slope = np.polyfit((np.arange(20) + 0.5) / 20, decibels(power.mean(axis=1)), 1)[0]
    return decibels(np.sum(tail**2)), samples / RATE, -60 / slope * samples / RATE


@pytest.mark.parametrize("factor", FACTORS)
def test_speed_moves_a_tone_by_its_factor(factor):
    samples = 2 * RATE
    audio = change_speed(sine(1000, source_samples(factor, samples)), factor, samples)
    peak = np.argmax(np.abs(np.fft.rfft(audio * np.hanning(samples)))) * RATE / samples
    assert abs(peak - 1000 * factor) <= 0.5 * RATE / samples
    # The first sample stays the first one: both stems of a song remain together.
    np.testing.assert_allclose(audio[100:-100], sine(1000 * factor, samples)[100:-100], atol=1e-3)


@pytest.mark.parametrize("samples", (1, 2, 17, 1000, 66560))
def test_speed_gives_exactly_the_samples_asked_for(samples):
    for factor in (*FACTORS, *(draw_speed(rng(seed)) for seed in range(20))):
        audio = change_speed(noise(0, source_samples(factor, samples)), factor, samples)
        assert audio.shape == (samples,)
        assert audio.dtype == np.float32


def test_speed_lets_nothing_fold_back_from_above_the_half_rate():
    """7600 Hz become 10748 Hz, which would sound as 5252 Hz."""
    audio = change_speed(sine(7600, source_samples(FASTEST, RATE)), FASTEST, RATE)
    assert np.abs(audio[200:-200]).max() < 1e-3


@pytest.mark.parametrize(("draw", "reach"), [(draw_speed, 6), (draw_formants, 3)])
def test_factors_spread_evenly_over_their_semitones(draw, reach):
    semitones = 12 * np.log2([draw(rng(seed)) for seed in range(2000)])
    assert -reach <= semitones.min() < -0.98 * reach and 0.98 * reach < semitones.max() <= reach
    assert abs(semitones.mean()) < 0.05 * reach
    assert semitones.std() == pytest.approx(reach / np.sqrt(3), rel=0.05)


def voice(pitch, formants, samples=2 * RATE):
    """Pulses through resonances of 120 Hz width."""
    sound = (np.arange(samples) % round(RATE / pitch) == 0).astype(np.float64)
    for hertz in formants:
        radius = np.exp(-np.pi * 120 / RATE)
        sound = lfilter(
            [1.0], [1.0, -2 * radius * np.cos(2 * np.pi * hertz / RATE), radius**2], sound
        )
    return (0.1 * sound / np.abs(sound).max()).astype(np.float32)


def resonances(audio, low, high):
    """The strongest frequency between two, of the spectrum smoothed over 250 Hz."""
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) ** 2
    smooth = np.convolve(power, np.hanning(2 * 250 * len(audio) // RATE), mode="same")
    hertz = np.fft.rfftfreq(len(audio), 1 / RATE)
    within = (hertz > low) & (hertz < high)
    return hertz[within][np.argmax(smooth[within])]


@pytest.mark.parametrize(
    "factor", (2 ** (-6 / 12), 2 ** (-3 / 12), 1.1, 2 ** (3 / 12), 2 ** (6 / 12))
)
def test_formants_move_and_the_pitch_stays(factor):
    before = voice(125, (900, 2600))
    after = shift_formants(before, factor, RATE)
    assert after.shape == before.shape and after.dtype == np.float32
    assert resonances(before, 500, 1600) == pytest.approx(900, abs=60)
    assert resonances(after, 400, 1700) == pytest.approx(900 * factor, rel=0.06)
    assert resonances(after, 1800 * factor, 4500) == pytest.approx(
        2600 * factor, rel=0.08
    )  # the gain is limited
    spectrum = np.abs(np.fft.rfft(after * np.hanning(len(after)))).reshape(-1)
    harmonics = spectrum[250:8000:250]  # bins of half a hertz: every 125 Hz
    between = spectrum[375:8000:250]
    assert np.all(harmonics > 100 * between)


def test_formants_that_stay_leave_the_sound_as_it_was():
    audio = noise(0)
    np.testing.assert_allclose(shift_formants(audio, 1.0, RATE), audio, atol=1e-6)


def test_formants_change_no_level_by_more_than_20_db():
    """Even where the voice ends at 2 kHz: what lies above is not blown up."""
    spectrum = np.fft.rfft(noise(1))
    spectrum[len(spectrum) // 4 :] *= 1e-3
    audio = np.fft.irfft(spectrum).astype(np.float32)
    change = (
        decibels(
            np.abs(np.fft.rfft(shift_formants(audio, 1.68, RATE))[len(spectrum) // 4 + 100 :]) ** 2
        ).mean()
        - decibels(np.abs(spectrum[len(spectrum) // 4 + 100 :]) ** 2).mean()
    )
    assert 3 < change <= FORMANT_GAIN_DB + 0.5


def test_colour_changes_each_band_by_8_db_at_most():
    changes = []
    for seed in range(60):
        audio = noise(seed, 2 * RATE)
        coloured = colour(audio, rng(seed), RATE)
        assert coloured.shape == audio.shape and coloured.dtype == np.float32
        power = [np.abs(np.fft.rfft(a.astype(np.float64))[1:]) ** 2 for a in (audio, coloured)]
        edges = np.geomspace(40, RATE, 25).astype(int)[:-1]  # bins of 0.5 Hz
        before, after = (np.add.reduceat(p, edges) for p in power)
        changes.append(decibels(after / before))
    assert np.abs(changes).max() <= COLOUR_DB + 0.01
    # Every band is raised and lowered by several dB, not the overall level alone.
    assert np.max(changes, axis=0).min() > 5 and np.min(changes, axis=0).max() < -5
    assert np.mean(np.ptp(changes, axis=1)) > 5
    assert np.abs(np.diff(changes, axis=1)).max() < 5.5  # third-octaves; the curve is smooth


def test_colour_is_drawn_at_six_frequencies_from_60_hz_to_half_the_rate():
    knots = np.array([8.0, -2.0, 4.0, -6.0, 1.0, -8.0])
    drawn = SimpleNamespace(uniform=lambda low, high, size: knots)
    response = np.fft.rfft(colour(impulse(RATE, 2 * RATE), drawn, RATE).astype(np.float64))
    hertz = np.array([60.0 * (RATE / 2 / 60.0) ** (n / 5) for n in range(6)])
    measured = decibels(np.abs(response[np.round(2 * hertz).astype(int)]) ** 2)
    np.testing.assert_allclose(measured, knots, atol=0.1)
    assert decibels(np.abs(response[40]) ** 2) == pytest.approx(8.0, abs=0.1)  # 20 Hz


def test_colours_depend_on_the_generator_alone():
    audio = noise(0)
    np.testing.assert_array_equal(colour(audio, rng(1), RATE), colour(audio, rng(1), RATE))
    difference = colour(audio, rng(1), RATE) - colour(audio, rng(2), RATE)
    assert np.std(difference) > 0.1 * np.std(audio)


@pytest.mark.parametrize("samples", (RATE, RATE + 1, 15013))
def test_colour_leaves_the_phase(samples):
    audio = noise(3, samples)
    coloured = colour(audio, rng(4), RATE)
    assert coloured.shape == (samples,)
    cross = np.fft.rfft(coloured.astype(np.float64)) * np.fft.rfft(audio.astype(np.float64)).conj()
    # Bins that hold next to nothing have no phase that float32 could keep.
    assert np.abs(np.angle(cross[np.abs(cross) > 1e-3 * np.abs(cross).mean()])).max() < 1e-3


def test_colour_does_not_smear():
    for seed in range(20):
        power = colour(impulse(RATE, 2 * RATE), rng(seed), RATE) ** 2
        assert power[RATE - 800 : RATE + 800].sum() > 0.999 * power.sum()


def test_reverberation_is_4_to_18_db_below_the_dry_sound():
    levels = []
    for seed in range(40):
        dry = noise(seed)
        heard = reverberate(dry, rng(seed), RATE)
        assert heard.shape == dry.shape and heard.dtype == np.float32
        levels.append(decibels(np.mean((heard - dry) ** 2) / np.mean(dry**2)))
        # The dry sound is in it once and as it was.
        assert heard @ dry / (dry @ dry) == pytest.approx(1, abs=0.12)
    low, high = REVERBERATION_DB
    assert low - 0.7 <= min(levels) < low + 2
    assert high - 2 < max(levels) <= high + 0.7


def test_reverberation_comes_after_its_sound():
    heard = reverberate(impulse(5000, RATE), rng(0), RATE)
    assert np.abs(heard[:5000]).max() < 1e-9
    assert heard[5000] == pytest.approx(1, abs=0.2)
    assert np.abs(heard[5001:6000]).max() > 1e-3


def test_rooms_decay_by_60_db_in_the_time_drawn():
    levels, seconds, decays = np.transpose([room(seed) for seed in range(40)])
    np.testing.assert_allclose(decays, seconds, rtol=0.06)
    low, high = REVERBERATION_SECONDS
    assert low - 0.01 <= seconds.min() < low + 0.2
    assert high - 0.2 < seconds.max() <= high + 0.01
    assert REVERBERATION_DB[0] - 0.01 <= levels.min() and levels.max() <= REVERBERATION_DB[1] + 0.01


def test_rooms_depend_on_the_generator_alone():
    audio = noise(0)
    first, again, other = (reverberate(audio, rng(seed), RATE) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_echoes_come_three_times_each_as_much_later_and_softer():
    delays, ratios = [], []
    for seed in range(60):
        repeated = echo(impulse(100, 2 * RATE), rng(seed), RATE)
        places = np.flatnonzero(repeated)
        np.testing.assert_array_equal(np.diff(places), places[1] - places[0])
        assert places[0] == 100 and len(places) == 4
        levels = repeated[places]
        np.testing.assert_allclose(levels[1:] / levels[:-1], levels[1], rtol=1e-5)
        delays.append((places[1] - 100) / RATE)
        ratios.append(decibels(levels[1] ** 2))
    for drawn, (low, high) in ((delays, ECHO_SECONDS), (ratios, ECHO_DB)):
        reach = high - low
        assert low - 1e-3 <= min(drawn) < low + 0.1 * reach
        assert high - 0.1 * reach < max(drawn) <= high + 1e-3


def test_backing_voices_sing_an_interval_that_is_listed():
    found = []
    for seed in range(80):
        tone = sine(400, RATE)
        second = add_backing(tone, rng(seed), RATE) - tone
        power = np.abs(np.fft.rfft(second[2000:-2000] * np.hanning(RATE - 4000))) ** 2
        semitones = 12 * np.log2(np.argmax(power) * RATE / (RATE - 4000) / 400)
        nearest = min(BACKING_SEMITONES, key=lambda listed: abs(listed - semitones))
        assert abs(nearest - semitones) < 0.8  # a bin of 1.3 Hz, and out of tune
        found.append(nearest)
    assert set(found) == set(BACKING_SEMITONES)


def test_backing_voices_are_2_to_14_db_below_the_first_and_a_little_late(monkeypatch):
    # The phase vocoder smears where a note of another pitch begins; a doubled one stays.
    monkeypatch.setattr(augmentation, "BACKING_SEMITONES", (0,))
    levels, delays = [], []
    for seed in range(60):
        voice = sine(400, RATE) * (np.abs(np.arange(RATE) - 8000) < 2000)
        heard = add_backing(voice, rng(seed), RATE)
        assert heard.shape == voice.shape and heard.dtype == np.float32
        second = heard - voice
        levels.append(decibels(np.mean(second**2) / np.mean(voice**2)))
        middles = [np.average(np.arange(RATE), weights=audio**2) for audio in (voice, second)]
        delays.append((middles[1] - middles[0]) / RATE)
    low, high = BACKING_DB
    assert low - 0.01 <= min(levels) < low + 1 and high - 1 < max(levels) <= high + 0.01
    assert -0.001 < min(delays) < 0.005
    assert BACKING_SECONDS - 0.005 < max(delays) < BACKING_SECONDS + 0.004


def test_rough_voices_flutter_and_are_as_loud():
    """The sidebands of a tone tell how fast, how much and how unsteadily."""
    tone, hertz = 0.1 * sine(2000, 4 * RATE), np.fft.rfftfreq(4 * RATE, 1 / RATE)
    fluttering, depths, widths = [], [], []
    for seed in range(60):
        rough = roughen(tone, rng(seed), RATE)
        assert rough.shape == tone.shape and rough.dtype == np.float32
        assert rms(rough) == pytest.approx(rms(tone), rel=1e-3)
        power = np.abs(np.fft.rfft(rough)) ** 2
        carrier = np.abs(hertz - 2000) < 0.5
        beside = (hertz > 2002) & (hertz < 2300)
        upper = power * beside
        centre = np.sum(hertz * upper) / np.sum(upper)
        fluttering.append(centre - 2000)
        depths.append(2 * np.sqrt(np.sum(upper) / np.sum(power[carrier])))
        order = np.cumsum(upper) / np.sum(upper)
        widths.append(np.diff(hertz[np.searchsorted(order, (0.25, 0.75))])[0])
    for drawn, (low, high), margin in (
        (fluttering, ROUGHNESS_HZ, 12.0),
        (depths, ROUGHNESS, 0.1),
    ):
        assert low - margin < min(drawn) < low + margin
        assert high - margin < max(drawn) < high + margin
    # Half of a Lorentz line's power lies within its width at half height.
    assert np.median(widths) == pytest.approx(ROUGHNESS_WIDTH_HZ, rel=0.2)


@pytest.mark.parametrize("level", [1.0, 1e-2, 1e-3])
def test_overdrive_keeps_the_loudness_and_flattens_the_peaks(level):
    crests = []
    for seed in range(40):
        audio = np.float32(level) * noise(seed, RATE)
        driven = overdrive(audio, rng(seed))
        assert driven.shape == audio.shape and driven.dtype == np.float32
        assert rms(driven) == pytest.approx(rms(audio), rel=1e-2)
        crests.append(np.abs(driven).max() / rms(driven))
        order = np.argsort(audio)
        assert np.all(np.diff(driven[order]) >= 0)  # louder stays louder
    crest = np.abs(audio).max() / rms(audio)
    assert max(crests) < 0.8 * crest and min(crests) < 0.35 * crest


def test_dynamics_are_evened_out_by_a_share_and_the_loudness_stays():
    steps = np.repeat([0.0, -12.0, -30.0, -50.0], RATE)
    audio = (noise(21) * 10 ** (steps / 20)).astype(np.float32)
    inside = [slice(i * RATE + 2000, (i + 1) * RATE - 2000) for i in range(4)]
    mean = decibels(np.mean(audio**2) / np.mean(audio[inside[0]] ** 2))
    shares = []
    for seed in range(40):
        changed = compress(audio, rng(seed), RATE)
        assert rms(changed) == pytest.approx(rms(audio), rel=1e-3)
        before, after = (
            np.array([decibels(np.mean(x[where] ** 2)) for where in inside])
            for x in (audio, changed)
        )
        share = 1 - (after[1] - after[0]) / (before[1] - before[0])
        raised = (after - before) - (after - before)[0]
        # What lies 20 dB below the mean or lower is raised alike.
        np.testing.assert_allclose(raised[2:], share * (20.0 - mean), atol=0.4)
        shares.append(share)
    low, high = COMPRESSION
    assert low - 0.03 < min(shares) < low + 0.1 and high - 0.1 < max(shares) < high + 0.03


def test_drums_change_by_their_gain_and_the_loudness_stays():
    samples = 4 * RATE
    lasting = 0.05 * (sine(310, samples) + sine(700, samples))
    struck = np.zeros(samples, np.float32)
    struck[4000::8000] = 1.0
    changes = []
    for seed in range(40):
        music = lasting + struck
        changed = change_drums(music, rng(seed))
        assert changed.shape == music.shape and changed.dtype == np.float32
        assert rms(changed) == pytest.approx(rms(music), rel=1e-4)
        tone = changed @ lasting / (lasting @ lasting)
        changes.append(decibels(np.square(changed[4000::8000].mean() / tone)))
    low, high = DRUMS_DB
    assert low - 0.5 < min(changes) < low + 2 and high - 2 < max(changes) < high + 0.5


def test_loudness_of_a_reference_is_reached_within_40_db():
    audio, reference = noise(0), 0.02 * noise(1)
    assert rms(as_loud_as(reference, audio)) == pytest.approx(rms(reference), rel=1e-4)
    faint = 1e-4 * noise(2)
    assert rms(as_loud_as(audio, faint)) == pytest.approx(100 * rms(faint), rel=1e-2)


def test_silence_stays_silent():
    silence = np.zeros(5000, np.float32)
    for changed in (
        shift_formants(silence, 1.3, RATE),
        colour(silence, rng(0), RATE),
        reverberate(silence, rng(0), RATE),
        echo(silence, rng(0), RATE),
        compress(silence, rng(0), RATE),
        add_backing(silence, rng(0), RATE),
        roughen(silence, rng(0), RATE),
        overdrive(silence, rng(0)),
        change_drums(silence, rng(0)),
    ):
        assert not changed.any()
