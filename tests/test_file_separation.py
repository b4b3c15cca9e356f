"""Files in, files out, with a cheap separator in the model's place."""

import os
import threading

import numpy as np
import pytest
import soundfile

from tests.sounds import names, noise, refusal, written
from vocaltrack.audio import open_audio
from vocaltrack.errors import UserError
from vocaltrack.file_separation import plan_targets, separate_file

RATE = 8000


class Fake:
    """Gives the vocals as a function of the mixture and its place, in blocks
    that are not those that it was given."""

    def __init__(self, vocals, fail_after=None):
        self.vocals, self.fail_after = vocals, fail_after
        self.given = []  # the masks, in each pass

    def stream(self, blocks, sample_rate, channels, masks=None):
        self.given.append(masks)
        done = 0
        for block in blocks():
            assert block.shape[1] == channels
            for piece in np.array_split(block, 3):
                if self.fail_after is not None and done >= self.fail_after:
                    raise UserError("of the model")
                yield piece, self.vocals(piece).astype(piece.dtype), np.full((1, 4), done)
                done += len(piece)


def half(mixture):
    return 0.5 * mixture


def separate(fake, source, folder, names=("v.wav", "a.wav"), subtype=None, clip="rescale", **cut):
    file = open_audio(source, **cut)
    paths = {stem: folder / name for stem, name in zip(("vocals", "accompaniment"), names) if name}
    targets = plan_targets(file, paths, subtype, clip)
    return separate_file(fake, file, targets, clip)


def integers(path, bits):
    return soundfile.read(path, dtype="int32", always_2d=True)[0].astype(np.int64) >> (32 - bits)


@pytest.mark.parametrize("clip", ["rescale", "clamp"])
@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
@pytest.mark.parametrize("ending", ["wav", "flac", "aiff"])
def test_the_stems_of_an_integer_file_add_up_to_it(tmp_path, ending, subtype, bits, clip):
    scale = 2 ** (bits - 1)
    rng = np.random.default_rng(0)
    values = rng.integers(-scale, scale, (140000, 2))
    values[::7] = rng.choice([-scale, scale - 1], values[::7].shape)
    mixture = tmp_path / f"m.{ending}"
    soundfile.write(mixture, (values << (32 - bits)).astype(np.int32), RATE, subtype)
    gains = np.random.default_rng(1)
    fake = Fake(lambda m: m * gains.uniform(0, 1, m.shape))
    outputs = f"v.{ending}", f"a.{ending}"
    result = separate(fake, mixture, tmp_path, outputs, clip=clip)
    assert (result.gain, result.clipped, result.silent) == (1.0, (), False)
    assert result.seconds == 140000 / RATE
    assert {soundfile.info(tmp_path / name).subtype for name in outputs} == {subtype}
    np.testing.assert_array_equal(integers(mixture, bits), values)
    total = sum(integers(tmp_path / name, bits) for name in outputs)
    assert np.abs(total - values).max() == 1


@pytest.mark.parametrize("loudness", [1, 3])
@pytest.mark.parametrize("source", ["PCM_16", "PCM_24", "FLOAT", "PCM_32", "DOUBLE"])
def test_the_stems_add_up_to_the_mixture_to_a_step_of_32_bits(tmp_path, source, loudness):
    """Differences of float32 were off by 64 steps."""
    mixture = written(tmp_path / "m.wav", noise(140000), RATE, source)
    fake = Fake(lambda m: np.random.default_rng(1).uniform(0, loudness, m.shape) * m)
    gain = separate(fake, mixture, tmp_path, subtype="PCM_32").gain
    assert (gain < 0.9) == (loudness > 1)
    stems = [soundfile.read(tmp_path / name, dtype="float64")[0] for name in ("v.wav", "a.wav")]
    steps = (sum(stems) - gain * soundfile.read(mixture, dtype="float64")[0]) * 2**31
    assert np.abs(steps).max() <= 1


def test_what_comes_out_louder_in_the_second_pass_is_turned_down_once_more(tmp_path):
    """As by Griffin-Lim, which makes much of how the frames are grouped."""
    mixture = written(tmp_path / "m.wav", noise(70000), RATE, "PCM_16")
    fake = Fake(lambda m: 8.0 * m * (1.0 + 0.01 * (len(fake.given) > 1)))
    result = separate(fake, mixture, tmp_path)
    loudest = 8.08 * np.abs(soundfile.read(mixture)[0]).max()
    assert len(fake.given) == 3 and result.clipped == ()
    assert result.gain == pytest.approx(1.0 / loudest, rel=1e-5)
    assert np.abs(integers(tmp_path / "v.wav", 16)).max() == 2**15 - 1


def test_vocals_of_all_or_nothing_are_the_input_to_the_bit(tmp_path):
    mixture = written(tmp_path / "m.wav", noise(70000), RATE, "PCM_16")
    values = integers(mixture, 16)
    separate(Fake(np.zeros_like), mixture, tmp_path)
    np.testing.assert_array_equal(integers(tmp_path / "a.wav", 16), values)
    assert not integers(tmp_path / "v.wav", 16).any()
    separate(Fake(np.copy), mixture, tmp_path)
    np.testing.assert_array_equal(integers(tmp_path / "v.wav", 16), values)


@pytest.mark.parametrize(("outputs", "peak"), [(("v.wav", "a.wav"), 2.0), (("v.wav", None), 1.5)])
def test_rescaling_makes_all_files_quieter_by_one_factor(tmp_path, outputs, peak):
    mixture = written(tmp_path / "m.wav", np.full((20000, 1), 0.5), RATE, "PCM_24")
    fake = Fake(lambda m: np.where(np.arange(len(m)) % 2, 3.0, -3.0)[:, None] * m)
    result = separate(fake, mixture, tmp_path, outputs)
    first, again = fake.given
    assert first is None
    assert [mask[0, 0] for mask in again] == [0, 6667, 13334]  # of each block in order
    assert result.gain == pytest.approx(1 / peak, rel=2e-6) and result.gain < 1 / peak
    assert result.clipped == ()
    read = [soundfile.read(tmp_path / name)[0] for name in outputs if name]
    assert max(np.abs(audio).max() for audio in read) == pytest.approx(1.0, abs=3e-6)
    if len(read) == 2:
        np.testing.assert_allclose(sum(read), 0.5 / peak, rtol=1e-5)


@pytest.mark.parametrize("name", ["v.mp3", "v.ogg"])
def test_lossy_files_are_rescaled_too(tmp_path, name):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)[:, np.newaxis]
    mixture = written(tmp_path / "m.wav", tone, RATE, "PCM_16")
    result = separate(Fake(lambda m: 3.0 * m), mixture, tmp_path, (name, None))
    assert result.gain == pytest.approx(1 / 1.5, rel=1e-3) and result.clipped == ()
    read = soundfile.read(tmp_path / name)[0][RATE // 10 : -RATE // 10]
    assert np.abs(read).max() == pytest.approx(1.0, abs=0.05)
    clamped = separate(Fake(lambda m: 3.0 * m), mixture, tmp_path, (name, None), clip="clamp")
    assert clamped.clipped == (str(tmp_path / name),)


def test_masks_are_kept_up_to_a_limit(tmp_path, monkeypatch):
    mixture = written(tmp_path / "m.wav", np.full((20000, 1), 0.5), RATE, "PCM_24")
    fake = Fake(lambda m: 3.0 * m)
    for limit in (96, 95):  # three of 4 numbers of 64 bit
        monkeypatch.setattr("vocaltrack.file_separation.KEPT_BYTES", limit)
        separate(fake, mixture, tmp_path)
    assert [given is None for given in fake.given] == [True, False, True, True]


@pytest.mark.parametrize(("subtype", "clip"), [("FLOAT", "rescale"), ("PCM_16", "clamp")])
def test_masks_are_kept_only_for_what_may_be_rescaled(tmp_path, monkeypatch, subtype, clip):
    mixture = written(tmp_path / "m.wav", np.full((20000, 1), 0.5), RATE, "PCM_16")
    monkeypatch.setattr("vocaltrack.file_separation._Masks.add", lambda self, mask: 1 / 0)
    separate(Fake(half), mixture, tmp_path, subtype=subtype, clip=clip)
    with pytest.raises(ZeroDivisionError):
        separate(Fake(half), mixture, tmp_path, subtype="PCM_16", clip="rescale")


def test_clamping_cuts_off_what_exceeds_full_scale_and_says_where(tmp_path):
    mixture = written(tmp_path / "m.wav", np.full((20000, 1), 0.5), RATE, "PCM_16")
    fake = Fake(lambda m: 3.0 * m)
    result = separate(fake, mixture, tmp_path, clip="clamp")
    assert (fake.given, result.gain) == ([None], 1.0)
    assert result.clipped == (str(tmp_path / "v.wav"),)
    assert (integers(tmp_path / "v.wav", 16) == 2**15 - 1).all()
    assert (integers(tmp_path / "a.wav", 16) == -(2**15)).all()


def test_float_keeps_what_exceeds_full_scale(tmp_path):
    mixture = written(tmp_path / "m.wav", np.full((20000, 1), 0.5), RATE, "PCM_16")
    result = separate(Fake(lambda m: 3.0 * m), mixture, tmp_path, clip="float")
    assert (result.gain, result.clipped) == (1.0, ())
    for name, value in (("v.wav", 1.5), ("a.wav", -1.0)):
        assert soundfile.info(tmp_path / name).subtype == "FLOAT"
        assert (soundfile.read(tmp_path / name)[0] == value).all()
    refusal(
        lambda: separate(Fake(half), mixture, tmp_path, ("v.flac", None), clip="float"),
        "v.flac: its format holds no floating point",
    )
    refusal(
        lambda: separate(Fake(half), mixture, tmp_path, subtype="PCM_16", clip="float"),
        "--clip float writes floating point, not PCM_16; leave one out",
    )
    separate(Fake(half), mixture, tmp_path, subtype="DOUBLE", clip="float")
    assert soundfile.info(tmp_path / "v.wav").subtype == "DOUBLE"


def test_a_float_file_of_any_level_is_separated_as_it_is(tmp_path):
    audio = 50.0 * noise(20000)
    mixture = written(tmp_path / "m.wav", audio, RATE, "DOUBLE")
    result = separate(Fake(half), mixture, tmp_path)
    assert result.gain == 1.0
    np.testing.assert_array_equal(soundfile.read(tmp_path / "v.wav")[0], 0.5 * audio)
    result = separate(Fake(half), mixture, tmp_path, ("v.flac", None))
    assert result.gain == pytest.approx(2.0 / np.abs(audio).max(), rel=1e-5)


def test_a_cut_is_separated_to_the_sample(tmp_path):
    audio = noise(50000)
    mixture = written(tmp_path / "m.wav", audio, RATE, "DOUBLE")
    result = separate(Fake(half), mixture, tmp_path, start=1.00003, duration=2.5)
    assert result.seconds == 2.5
    np.testing.assert_array_equal(soundfile.read(tmp_path / "v.wav")[0], audio[8000:28000] / 2)


def test_silent_vocals_are_told_except_of_silence(tmp_path):
    sounding = written(tmp_path / "m.wav", noise(100), RATE)
    silent = written(tmp_path / "s.wav", np.zeros((100, 1)), RATE)
    assert separate(Fake(np.zeros_like), sounding, tmp_path).silent
    assert not separate(Fake(np.zeros_like), silent, tmp_path).silent
    assert not separate(Fake(half), sounding, tmp_path).silent


def test_what_sounds_in_the_first_block_alone_counts(tmp_path):
    steps = np.repeat([[0.5], [0.1], [0.1]], 100, axis=0)
    fading = written(tmp_path / "m.wav", steps, RATE)
    assert not separate(Fake(lambda m: m * (m > 0.3)), fading, tmp_path).silent
    ending = written(tmp_path / "e.wav", steps * (steps > 0.3), RATE)
    assert separate(Fake(np.zeros_like), ending, tmp_path).silent


def test_progress_is_told_in_seconds_in_the_callers_thread(tmp_path):
    file = open_audio(written(tmp_path / "m.wav", noise(16000), RATE))
    targets = plan_targets(file, {"vocals": tmp_path / "v.wav"})
    told, threads = [], set()

    def progress(seconds):
        told.append(seconds)
        threads.add(threading.current_thread())

    separate_file(Fake(half), file, targets, progress=progress)
    assert told == sorted(told) and told[-1] == 2.0
    assert threads == {threading.current_thread()}


def test_an_error_midway_closes_the_separators_stream(tmp_path):
    closed = []

    class Closing(Fake):
        def stream(self, *args):
            try:
                yield from super().stream(*args)
            finally:
                closed.append(True)

    file = open_audio(written(tmp_path / "m.wav", noise(9000), RATE))
    targets = plan_targets(file, {"vocals": tmp_path / "v.wav"})
    with pytest.raises(ZeroDivisionError) as held:
        separate_file(Closing(half), file, targets, progress=lambda seconds: 1 / 0)
    assert closed and held.tb  # which keeps the stream


@pytest.mark.parametrize("kind", ["model", "cut flac", "nan", "disk"])
def test_an_error_midway_leaves_nothing_and_what_was_there(tmp_path, monkeypatch, kind):
    name = "m.flac" if kind == "cut flac" else "m.wav"
    subtype = "FLOAT" if kind == "nan" else "PCM_16"
    audio = noise(400000)
    if kind == "nan":
        audio[-1] = np.nan
    mixture = written(tmp_path / name, audio, RATE, subtype)
    if kind == "cut flac":
        mixture.write_bytes(mixture.read_bytes()[: mixture.stat().st_size * 3 // 4])
    if kind == "disk":
        real = soundfile.SoundFile.write

        def write(self, data):
            if self.tell() > 200000:
                raise RuntimeError("No space left on device")
            real(self, data)

        monkeypatch.setattr(soundfile.SoundFile, "write", write)
    (tmp_path / "v.wav").write_text("what was there")
    words = {
        "model": "of the model",
        "cut flac": "m.flac is damaged after",
        "nan": "m.wav holds samples that are not finite numbers",
        "disk": "cannot be written (No space left on device)",
    }
    fake = Fake(half, fail_after=200000 if kind == "model" else None)
    refusal(lambda: separate(fake, mixture, tmp_path), words[kind])
    assert names(tmp_path) == sorted([name, "v.wav"])
    assert (tmp_path / "v.wav").read_text() == "what was there"


def test_the_sample_format_is_taken_in_small_letters_and_a_number_is_none(tmp_path):
    mixture = written(tmp_path / "m.wav", noise(100), RATE, "PCM_16")
    separate(Fake(half), mixture, tmp_path, subtype="pcm_24")
    assert soundfile.info(tmp_path / "v.wav").subtype == "PCM_24"
    for number in (24, 0):
        refusal(
            lambda: separate(Fake(half), mixture, tmp_path, subtype=number),
            f"WAV cannot be written as {number}; it can as PCM_16, ",
        )


def test_input_and_outputs_must_differ(tmp_path):
    mixture = written(tmp_path / "m.wav", noise(100), RATE)
    before = mixture.read_bytes()
    os.symlink(mixture, tmp_path / "link.wav")
    refusal(lambda: separate(Fake(half), mixture, tmp_path, ("m.wav", None)), "named twice")
    refusal(lambda: separate(Fake(half), mixture, tmp_path, ("link.wav", None)), "named twice")
    refusal(lambda: separate(Fake(half), mixture, tmp_path, ("x.wav", "x.wav")), "named twice")
    assert mixture.read_bytes() == before
    assert names(tmp_path) == ["link.wav", "m.wav"]


@pytest.mark.parametrize(("samples", "format"), [(1000, "WAV"), (1001, "RF64")])
def test_what_outgrows_wav_becomes_rf64_and_is_refused_as_aiff(
    tmp_path, monkeypatch, samples, format
):
    monkeypatch.setattr("vocaltrack.formats.WAV_BYTES", 4000)
    file = open_audio(written(tmp_path / "m.wav", noise(samples), RATE, "PCM_16"))
    assert plan_targets(file, {"vocals": tmp_path / "v.wav"})["vocals"][2] == format
    aiff = {"vocals": tmp_path / "v.aiff"}
    if format == "WAV":
        assert plan_targets(file, aiff)["vocals"][2] == "AIFF"
    else:
        refusal(lambda: plan_targets(file, aiff), "v.aiff outgrows the 4 GB of AIFF")


def test_a_folder_is_no_target(tmp_path):
    mixture = written(tmp_path / "m.wav", noise(100), RATE)
    (tmp_path / "v.wav").mkdir()
    refusal(lambda: separate(Fake(half), mixture, tmp_path), "v.wav is a folder", "-o")


def test_a_hard_link_of_the_input_is_replaced_and_the_input_kept(tmp_path):
    mixture = written(tmp_path / "m.wav", noise(100), RATE)
    before = mixture.read_bytes()
    os.link(mixture, tmp_path / "v.wav")
    separate(Fake(half), mixture, tmp_path)
    assert mixture.read_bytes() == before != (tmp_path / "v.wav").read_bytes()
