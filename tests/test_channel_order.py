"""The order of channels, in files and of those that are read and written."""

import numpy as np
import pytest
import soundfile

from tests.sounds import noise, written
from vocaltrack.audio import read_audio
from vocaltrack.channel_order import is_vorbis_order
from vocaltrack.formats import choose_subtype
from vocaltrack.writing import audio_writers


@pytest.mark.parametrize(("name", "rate"), [("a.ogg", 44100), ("a.opus", 48000)])
@pytest.mark.parametrize(
    ("channels", "in_file"),  # as the specification has them, by their numbers in wav files
    [
        (2, [0, 1]),
        (3, [0, 2, 1]),
        (4, [0, 1, 2, 3]),
        (5, [0, 2, 1, 3, 4]),
        (6, [0, 2, 1, 4, 5, 3]),
        (7, [0, 2, 1, 5, 6, 4, 3]),
        (8, [0, 2, 1, 6, 7, 4, 5, 3]),
    ],
)
def test_ogg_has_its_own_order_of_channels(tmp_path, name, rate, channels, in_file):
    """Of six: left, centre, right, the two behind, and the lowest; of eight the two beside
    before those behind."""
    hertz = 400.0 + 200.0 * np.arange(channels)
    if channels > 5:
        hertz[3] = 80.0  # Opus codes nothing much higher of it
    audio = 0.3 * np.sin(2 * np.pi * hertz * np.arange(rate)[:, np.newaxis] / rate)
    targets = {"vocals": (tmp_path / name, choose_subtype(name), "OGG")}
    with audio_writers(targets, rate, channels) as writers:
        writers["vocals"].write(audio)

    def heard(samples):
        return np.abs(np.fft.rfft(samples, axis=0)).argmax(axis=0)

    np.testing.assert_array_equal(heard(soundfile.read(tmp_path / name)[0]), hertz[in_file])
    again, _ = read_audio(tmp_path / name)
    np.testing.assert_array_equal(heard(again), hertz)
    assert again[rate // 10 : -rate // 10].std(axis=0) == pytest.approx(0.21, abs=0.06)


def test_opus_of_another_family_has_no_such_order(tmp_path):
    path = written(tmp_path / "a.ogg", noise(4800, 6), 48000, "OPUS")
    assert is_vorbis_order(path, "OPUS")
    data = bytearray(path.read_bytes())
    at = data.find(b"OpusHead")
    assert (data[at + 9], data[at + 18]) == (6, 1)  # channels, family
    data[at + 18] = 255
    path.write_bytes(data)
    assert not is_vorbis_order(path, "OPUS") and is_vorbis_order(path, "VORBIS")
