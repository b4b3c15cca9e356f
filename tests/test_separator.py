"""The whole way from audio to vocals and accompaniment."""

import contextlib
import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.paths import EXAMPLE, REPOSITORY, SAVED_MODELS
from tests.sounds import refusal, rising, sine
from vocaltrack.chunks import song_mask
from vocaltrack.config import FeatureConfig
from vocaltrack.contract import split_method
from vocaltrack.errors import UserError
from vocaltrack.features import waveform_to_log_mel
from vocaltrack.gains import window_length
from vocaltrack.griffin_lim import GriffinLimStream
from vocaltrack.metrics import level_db, si_sdr
from vocaltrack.pipes import ahead
from vocaltrack.savedmodel import ServedModel
from vocaltrack.separator import Separator

# SI-SDR in dB of the shipped models on the bundled example; the mixture has -1.06.
SHIPPED = {"dc": 6.83, "hdc": 9.04, "hdc:clusters": 8.27, "unet": 8.53, "uhnet": 8.79}


@pytest.fixture(scope="module")
def unet():
    return Separator("unet")


def smooth(chunks):
    """A made-up mask that depends on a chunk's beginning and on its level."""
    heard = tf.cumsum(chunks, axis=1) / 2000 + tf.reduce_mean(chunks, [1, 2], keepdims=True) / 10
    return tf.sigmoid(heard + 3.0)


def by_level(chunks):
    """Made-up embeddings, two directions told apart by the level."""
    directions = tf.constant([[0.6, 0.8], [-0.8, 0.6]])
    return tf.gather(directions, tf.cast(chunks > -30, tf.int32))


def made_up(masks=smooth, embeddings=None, **options):
    """A `Separator` of made-up networks."""
    name = "unet" if embeddings is None else "hdc"
    model = ServedModel(name, FeatureConfig(), masks, embeddings, root=None)
    with (
        mock.patch("vocaltrack.separator.find_model"),
        mock.patch("vocaltrack.separator.load", return_value=model),
    ):
        return Separator(**options)


def noise(samples, channels=1, seed=0):
    swell = np.sin(np.arange(samples) / 90000)[:, np.newaxis]
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 0.1, (samples, channels)) * swell).astype(np.float32)


def blocks_of(audio, size):
    return lambda: (audio[i : i + size] for i in range(0, len(audio), size))


def test_the_example_is_the_sum_of_its_stems(example):
    np.testing.assert_array_equal(example["vocals"] + example["accompaniment"], example["mixture"])
    assert si_sdr(example["vocals"], example["mixture"]) == pytest.approx(-1.06, abs=0.01)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_keep_their_quality(example, name):
    separation = Separator(*split_method(name)).separate(example["mixture"], 16000)
    assert si_sdr(example["vocals"], separation.vocals) == pytest.approx(SHIPPED[name], abs=0.05)


def test_an_hdcs_head_tells_which_cluster_is_the_voice():
    """Whichever it says; without it the bass would have the same one twice."""
    masks = []
    for sign in (1.0, -1.0):
        separator = made_up(
            masks=lambda chunks, sign=sign: tf.sigmoid(sign * (chunks + 30.0)),
            embeddings=by_level,
            method="clusters",
        )
        masks.append(separator.separate(noise(48000), 16000).mask)
    assert 0.05 < masks[0].mean() < 0.95
    np.testing.assert_allclose(masks[0] + masks[1], 1.0, atol=1e-6)


def test_the_waveform_signature_gives_nearly_the_same_as_the_separator(example, unet):
    mixture = example["mixture"][: 16000 * 5]
    loaded = tf.saved_model.load(str(SAVED_MODELS / "unet"))
    served = loaded.signatures["serving_default"](waveform=tf.constant(mixture[np.newaxis]))
    separation = unet.separate(mixture, 16000)
    # Not to rounding: the separator's windows are twice as far apart.
    assert si_sdr(served["vocals"][0].numpy(), separation.vocals) > 40


@pytest.mark.parametrize("samples", [1, 100, 1024, 16383, 16385])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (8000, 3), (192000, 5)])
def test_length_rate_and_channels_are_kept(samples, rate, channels):
    audio = noise(samples, channels)
    separation = made_up().separate(audio, rate)
    assert separation.vocals.dtype == separation.accompaniment.dtype == np.float32
    assert separation.vocals.shape == audio.shape
    np.testing.assert_allclose(separation.vocals + separation.accompaniment, audio, atol=1e-6)
    assert np.isfinite(separation.vocals).all()


def test_channels_keep_their_balance(example, unet):
    """One mask for both channels: the right one at half level stays at half."""
    mono = example["mixture"][: 16000 * 3]
    vocals = unet.separate(np.stack([mono, 0.5 * mono], axis=1), 16000).vocals
    np.testing.assert_allclose(vocals[:, 1], 0.5 * vocals[:, 0], atol=1e-5)


def test_half_precision_is_taken_and_its_infinity_refused():
    audio = noise(20000, 1).astype(np.float16)
    vocals = made_up().separate(audio, 16000).vocals
    expected = made_up().separate(audio.astype(np.float32), 16000).vocals
    np.testing.assert_array_equal(vocals, expected)
    audio[500] = np.inf
    with pytest.raises(UserError, match="finite"):
        made_up().separate(audio, 16000)


def test_silence_stays_silent(unet):
    assert not unet.separate(np.zeros(30000, np.float32), 16000).vocals.any()


def test_a_recording_may_be_60_db_too_soft_or_40_too_loud_but_not_80_too_soft(example):
    """The networks do not hear what lies below their floor of -70 dB."""
    separator = Separator("uhnet")
    scores = []
    for factor in (1.0, 1e-3, 1e-4, 100.0):
        vocals = separator.separate(example["mixture"] * np.float32(factor), 16000).vocals
        scores.append(si_sdr(example["vocals"], vocals))
    assert scores[1] == pytest.approx(scores[0], abs=0.6)
    assert scores[2] < scores[0] - 6.0
    assert scores[3] == pytest.approx(scores[0], abs=0.6)


def test_integers_as_floating_point_are_refused():
    """In audio as loud as those of 16 bits the networks lose 4 dB and more."""
    audio = 32767 * sine(440, 16000, 0.1, level=1.0)
    refusal(lambda: made_up().separate(audio, 16000), "exceed 1000 times", "by 32768")
    assert made_up().separate(audio / 40, 16000).vocals.shape == audio.shape


def test_griffin_lim_is_the_papers_and_far_below_the_mixture_phase(example):
    short = {name: audio[: 16000 * 8] for name, audio in example.items()}
    found = {
        phase: Separator("unet", phase=phase).separate(short["mixture"], 16000).vocals
        for phase in ("mixture", "griffinlim")
    }
    scores = {phase: si_sdr(short["vocals"], vocals) for phase, vocals in found.items()}
    assert scores["griffinlim"] < -10 < 0 < scores["mixture"]
    # But for the phase it is the same sound.
    spectra = [np.abs(librosa.stft(found[phase], n_fft=1024)) for phase in scores]
    assert 10 * np.log10(np.sum(spectra[0] ** 2) / np.sum(np.diff(spectra, axis=0) ** 2)) > 8


def test_griffin_lims_window_lasts_as_long_at_any_rate():
    audio = noise(44100)
    expected = GriffinLimStream(1, 44100, window_length(44100, FeatureConfig()))
    vocals = made_up().separate(audio, 44100).vocals
    found = made_up(phase="griffinlim").separate(audio, 44100).vocals
    np.testing.assert_allclose(found, expected.push(vocals, last=True), atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"overlap": 0.5}, {"method": "clusters"}])
@pytest.mark.parametrize(("rate", "size"), [(16000, 5001), (16000, 1 << 20), (22050, 30000)])
def test_the_size_of_the_blocks_does_not_matter(rate, size, options):
    audio = noise(100 * rate + 17, 2)
    separator = made_up(embeddings=by_level, **options)
    whole = separator.separate(audio, rate)
    parts = list(separator.stream(blocks_of(audio, size), rate, 2))
    assert len(parts) > 1
    mixture, vocals, mask = (np.concatenate(part) for part in zip(*parts))
    np.testing.assert_array_equal(mixture, audio)
    np.testing.assert_allclose(vocals, whole.vocals, atol=1e-5)
    np.testing.assert_allclose(mask, whole.mask, atol=1e-5)
    assert all(len(mixture) == len(vocals) for mixture, vocals, _ in parts)
    assert 0.05 < whole.mask.mean() < 0.95


@pytest.mark.parametrize("method", ["head", "clusters"])
def test_known_masks_give_the_same_and_no_network_is_asked(method):
    audio = noise(20 * 22050 + 17, 2)
    separator = made_up(embeddings=by_level, method=method)
    first = list(separator.stream(blocks_of(audio, 30000), 22050, 2))
    masks = [mask for *_, mask in first if len(mask)]
    again = list(made_up(masks=None).stream(blocks_of(audio, 30000), 22050, 2, masks))
    for one, other in zip(zip(*first), zip(*again)):
        np.testing.assert_allclose(np.concatenate(one), np.concatenate(other), atol=1e-6)
    # In step: no more than a piece of the mask waits for its audio.
    piece, waiting = max(map(len, masks)), 0
    for number, (*_, mask) in enumerate(again):
        waiting += len(mask) - 30000 * 125 / 22050
        assert waiting < piece or number == len(again) - 1


def test_the_mask_is_that_of_the_whole_song():
    audio = noise(100 * 16000)[:, 0]
    frames = waveform_to_log_mel(tf.constant(audio), FeatureConfig())
    expected = song_mask(frames, smooth, FeatureConfig())
    np.testing.assert_allclose(made_up().separate(audio, 16000).mask, expected, atol=1e-4)


def test_a_long_song_takes_no_more_memory_than_a_short_one():
    """No array stays for longer than it is needed; TensorFlow's are not counted."""
    second = noise(16000 * 10)

    def peak(seconds):
        blocks = (second for _ in range(seconds // 10))
        tracemalloc.start()
        try:
            samples = sum(
                len(vocals) for _, vocals, _ in separator.stream(lambda: blocks, 16000, 1)
            )
            return samples, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    separator = made_up(masks=lambda chunks: tf.fill(tf.shape(chunks), 0.5))
    short, long = peak(150), peak(1200)
    assert (short[0], long[0]) == (150 * 16000, 1200 * 16000)
    assert long[1] < 1.2 * short[1] + 2e6
    assert long[1] < 60e6 < 1200 * 16000 * 4


def test_the_first_pass_of_the_clusters_can_be_ended_midway():
    read = []

    def blocks():
        for number in range(1000):
            read.append(number)
            yield noise(16000)

    separator = made_up(embeddings=by_level, method="clusters")
    with contextlib.closing(ahead(separator.stream(blocks, 16000, 1))) as parts:
        assert [len(part) for part in next(parts)] == [0, 0, 0]
    assert len(read) < 20


@pytest.mark.parametrize("options", [{}, {"method": "clusters"}])
def test_several_threads_may_use_a_separator(options):
    separator = made_up(embeddings=by_level, **options)
    songs = [noise(16000 * (20 + i), 2, seed=i) for i in range(3)]
    serial = [separator.separate(song, 16000) for song in songs]
    with ThreadPoolExecutor(3) as pool:
        parallel = list(pool.map(lambda song: separator.separate(song, 16000), songs))
    for one, other in zip(serial, parallel):
        np.testing.assert_allclose(one.vocals, other.vocals, atol=1e-6)
        np.testing.assert_allclose(one.mask, other.mask, atol=1e-6)


def test_a_loaded_model_may_be_used_by_several_threads(example, unet):
    songs = [example["mixture"][16000 * i : 16000 * (i + 2)] for i in range(3)]
    serial = [unet.separate(song, 16000).vocals for song in songs]
    with ThreadPoolExecutor(3) as pool:
        parallel = list(pool.map(lambda song: unet.separate(song, 16000).vocals, songs))
    np.testing.assert_allclose(parallel, serial, atol=1e-5)


def test_a_process_that_forked_off_is_refused(monkeypatch):
    """It would wait for threads that TensorFlow has in the first one alone."""
    separator, song = made_up(), noise(16000, 1)
    separator.separate(song, 16000)
    first = os.getpid()
    monkeypatch.setattr("os.getpid", lambda: first + 1)
    refusal(lambda: separator.separate(song, 16000), 'get_context("spawn")')
    refusal(lambda: Separator("unet").separate(song, 16000), 'get_context("spawn")')


def test_a_fork_after_loading_is_refused_and_one_before_is_not():
    code = """
import multiprocessing, numpy, vocaltrack
def work(makes_its_own):
    try:
        own = vocaltrack.Separator("unet") if makes_its_own else separator
        return own.separate(numpy.zeros(16000, numpy.float32), 16000).vocals.shape
    except vocaltrack.UserError as error:
        return "refused" if "forked" in str(error) else str(error)
fork = multiprocessing.get_context("fork")
with fork.Pool(1) as pool:
    print(pool.map(work, [True]))
separator = vocaltrack.Separator("unet")
with fork.Pool(1) as pool:
    print(pool.map(work, [True, False]))
"""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.stdout.splitlines() == ["[(16000,)]", "['refused', 'refused']"], run.stderr


@pytest.mark.parametrize("phase", ["mixture", "griffinlim"])
def test_progress_rises_to_the_length_of_the_song(phase):
    seconds = []
    made_up(phase=phase).separate(noise(4000 * 67 + 1), 4000, progress=seconds.append)
    assert len(seconds) >= 2 and seconds[0] > 0 and seconds == sorted(set(seconds))
    assert seconds[-1] == pytest.approx(67 + 1 / 4000)


def test_separate_file_writes_what_it_was_asked_for(tmp_path):
    audio = rising(noise(3 * 22050 - 2, 2))
    soundfile.write(tmp_path / "in.wav", audio, 22050, subtype="FLOAT")
    paths = tmp_path / "v.wav", tmp_path / "a.flac"
    seconds = []
    separator = made_up(masks=lambda chunks: tf.fill(tf.shape(chunks), 0.25))
    written = separator.separate_file(
        tmp_path / "in.wav",
        *paths,
        subtype="PCM_24",
        start=0.5,
        duration=2.0,
        progress=seconds.append,
    )
    piece = audio[11025 : 11025 + 44100]
    for path, share in zip(paths, (0.25, 0.75)):
        found, rate = soundfile.read(path)
        assert (rate, soundfile.info(path).subtype) == (22050, "PCM_24")
        np.testing.assert_allclose(found, share * piece, atol=2e-3)  # cut, it has offsets
        np.testing.assert_allclose(found[2000:-2000], share * piece[2000:-2000], atol=1e-5)
    assert (written.seconds, written.gain, written.clipped) == (2.0, 1.0, ())
    assert not written.silent and seconds[-1] == pytest.approx(2.0)
    separator.separate_file(tmp_path / "in.wav", accompaniment=tmp_path / "only.wav")
    np.testing.assert_allclose(soundfile.read(tmp_path / "only.wav")[0], 0.75 * audio, atol=1e-5)
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, np.full((20000, 1), 1.5), 22050, subtype="FLOAT")
    written = separator.separate_file(loud, None, paths[1], subtype="PCM_16", clip="clamp")
    assert (written.gain, written.clipped) == (1.0, (str(paths[1]),))
    written = separator.separate_file(loud, None, paths[1], subtype="PCM_16")
    assert written.gain == pytest.approx(2 / 3, abs=0.01) and written.clipped == ()
    with pytest.raises(UserError, match="nothing to write"):
        separator.separate_file(loud)


def test_griffin_lim_gives_its_samples_as_it_goes():
    separator = made_up(phase="griffinlim")
    audio = noise(16000 * 90)
    parts = [len(vocals) for _, vocals, _ in separator.stream(blocks_of(audio, 16000), 16000, 1)]
    assert sum(parts) == len(audio) and max(parts) < len(audio) / 2


def test_an_error_of_the_reader_reaches_the_caller():
    def broken():
        yield noise(1000)
        raise UserError("the file ends early")

    with pytest.raises(UserError, match="ends early"):
        list(made_up().stream(broken, 16000, 1))


@pytest.mark.parametrize(
    "audio",
    [[], np.zeros((0, 2)), np.zeros((5, 0)), np.zeros((2, 2, 2)), 1.0, [0.0, np.nan], [np.inf]]
    + [np.zeros(9, kind) for kind in (np.int16, bool, np.complex64, str, object)]
    + [None, "in.wav", [[0.0], [0.0, 0.0]]],
)
def test_what_is_no_audio_is_refused(audio):
    with pytest.raises(UserError, match="audio must be"):
        made_up().separate(audio, 16000)


def test_advice_on_audio_as_other_libraries_have_it():
    refusal(lambda: made_up().separate(np.zeros(9, np.int16), 16000), "divide int16 by 32768")
    unsigned = "divide uint8 by 128 and subtract 1"
    refusal(lambda: made_up().separate(np.zeros(9, np.uint8), 16000), unsigned)
    plain = "divide integers by their full scale, those of 16 bits by 32768"
    refusal(lambda: made_up().separate([0, 1, -1], 16000), plain)
    refusal(lambda: made_up().separate(np.zeros((2, 65), np.float32), 16000), "give [samples, ch")


def test_where_tensorflow_builds_graphs_nothing_is_separated():
    separator = made_up()
    with tf.Graph().as_default():
        refusal(lambda: separator.separate(noise(9), 16000), "TensorFlow builds a graph here")
        refusal(lambda: Separator("unet"), "TensorFlow builds a graph here")


@pytest.mark.parametrize("model", [None, 3, b"unet", "", "there is none"])
def test_what_is_no_model_is_refused(model):
    refusal(lambda: Separator(model), f"no model {model!r}; choose dc, ")


def test_an_overlap_is_from_0_to_nine_tenths():
    for overlap in (0, 0.9):
        assert made_up(overlap=overlap).separate(noise(10), 16000).vocals.shape == (10, 1)
    for overlap in (-0.01, 0.91, np.nan, "x", None):
        words = f"an overlap of {overlap}; it must be from 0 to 0.9"
        refusal(lambda: made_up(overlap=overlap), words)


def test_odd_rates_and_too_many_channels_are_refused():
    whole = made_up().separate(noise(10), 16000.0)
    assert whole.vocals.shape == (10, 1)
    for rate in (0, -1, 3999, 384001, 44100.5, "16000", None, 16000j, True):
        with pytest.raises(UserError, match="sample rate"):
            made_up().separate(noise(10), rate)
    with pytest.raises(UserError, match="65 channels"):
        made_up().separate(noise(100, 65), 16000)


def test_the_package_loads_tensorflow_only_with_the_separator():
    script = (
        "import sys, vocaltrack\n"
        "vocaltrack.UserError\n"
        "assert {'Separator', 'UserError'} <= set(dir(vocaltrack))\n"
        "assert 'tensorflow' not in sys.modules\n"
        "assert vocaltrack.Separator.__name__ == 'Separator'\n"
        "assert 'tensorflow' in sys.modules\n"
        "assert 'Separator' in vars(vocaltrack)\n"  # not asked for again
        "assert not hasattr(vocaltrack, 'Nothing')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_separation_does_without_librosa_and_keras():
    """60 MB that mel.py says it saves; and a Keras that is set to
    a backend that is not installed, which cannot be imported."""
    script = (
        "import sys, numpy\n"
        "sys.modules.update(dict.fromkeys(['librosa', 'keras']))\n"
        "import vocaltrack\n"
        "vocaltrack.Separator('uhnet').separate(numpy.zeros(16000), 16000)\n"
        "print({'IPython', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize(("name", "method"), [("dc", None), ("hdc", "clusters")])
def test_the_clusters_swap(example, name, method):
    short = example["mixture"][: 16000 * 6]
    mask = Separator(name, method).separate(short, 16000).mask
    swapped = Separator(name, method, swap=True).separate(short, 16000).mask
    assert 0.02 < mask.mean() < 0.98
    np.testing.assert_allclose(mask + swapped, 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "method", "decibels"),
    [
        ("dc", None, -11),
        ("hdc", None, -17.8),
        ("hdc", "clusters", -100),
        ("unet", None, -12.0),
        ("uhnet", None, -12.0),
    ],
)
def test_little_comes_out_of_music_without_vocals(example, name, method, decibels):
    music = example["accompaniment"]
    vocals = Separator(name, method).separate(music, 16000).vocals
    assert level_db(vocals) < level_db(music) + decibels


def test_a_method_the_model_lacks_is_refused():
    with pytest.raises(UserError, match="unet has no clusters"):
        Separator("unet", method="clusters")
    with pytest.raises(UserError, match="dc has no head"):
        Separator("dc", method="head")
    with pytest.raises(UserError, match="only clusters can be swapped"):
        Separator("unet", swap=True)


def test_the_command_computes_as_the_library_does_but_for_its_bfloat16(example, tmp_path):
    """The command as users run it: its own process, and bfloat16 where the processor
    is faster in it (elsewhere this compares float32 with itself)."""
    command = [sys.executable, REPOSITORY / "separate.py", EXAMPLE / "mixture.flac"]
    subprocess.run([*command, tmp_path / "vocals.wav", "-q"], check=True)
    written = soundfile.read(tmp_path / "vocals.wav", dtype="float32")[0]
    here = Separator("uhnet").separate(example["mixture"], 16000).vocals
    scores = [si_sdr(example["vocals"], vocals) for vocals in (written, here)]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
    assert si_sdr(here, written) > 30
