"""What a terminal shows of a separation."""

import io
import sys
import time

import pytest

from tests.sounds import noise, written
from vocaltrack.audio import open_audio
from vocaltrack.progress import progress_bar

RATE = 8000


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("samples", [8039, 8040, 8041])  # 1.005 s was rounded to 1.0
@pytest.mark.parametrize("beyond", [0.0, 0.3, 5.0])
def test_the_bar_ends_with_the_file_and_where_a_guess_was_short(
    tmp_path, monkeypatch, samples, beyond
):
    """tqdm warned of the one, which is an error here, and failed at the other."""
    file = open_audio(written(tmp_path / "a.wav", noise(samples), RATE))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar(file) as progress:
        for seconds in (0.5, samples / RATE, samples / RATE + beyond):
            time.sleep(0.11)  # else the bar is not drawn again
            progress(seconds)
    lines = [line for line in terminal.getvalue().split("\r") if " of 1 s " in line]
    assert len(lines) >= 3 and lines[-1].startswith("a.wav: 1 of 1 s |")
