"""What a terminal shows of a separation."""

import io
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.sounds import noise, written
from vocaltrack.audio import open_audio
from vocaltrack.progress import counted, progress_bar

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


def test_a_file_of_unknown_length_shows_its_seconds(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar(SimpleNamespace(samples=None, path=Path("a.m4a"))) as progress:
        time.sleep(0.11)
        progress(7.0)
    assert "a.m4a: 7 s, " in terminal.getvalue() and "None" not in terminal.getvalue()


def test_the_bar_is_one_line_that_tells_how_far_the_file_is(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    file = SimpleNamespace(samples=10 * RATE, sample_rate=RATE, path=Path("a\nb.wav"))
    with progress_bar(file) as progress:
        for seconds in (2.0, 4.0):
            time.sleep(0.11)
            progress(seconds)
    *_, last = filter(str.strip, terminal.getvalue().split("\r"))
    assert last.startswith("a b.wav: 4 of 10 s |") and "\n" not in terminal.getvalue()


def test_no_bar_is_shown_that_nobody_wants_or_could_see(monkeypatch):
    file = SimpleNamespace(samples=8000, sample_rate=RATE, path=Path("a.wav"))
    for stream, quiet in ((Terminal(), True), (io.StringIO(), False), (None, False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bar(file, quiet) as progress:
            progress(1.0)
        assert stream is None or stream.getvalue() == ""
    assert list(counted("ab", "scoring", "song")) == ["a", "b"]  # where stderr is closed


@pytest.mark.parametrize(("stream", "moves"), [(Terminal, True), (io.StringIO, False)])
def test_a_count_that_takes_less_than_a_minute_moves_on_a_terminal_alone(
    monkeypatch, stream, moves
):
    shown = stream()
    monkeypatch.setattr(sys, "stderr", shown)
    for _ in counted("abc", "scoring", "song"):
        time.sleep(0.11)
    assert "100%" in shown.getvalue() and ("33%" in shown.getvalue()) == moves
