"""Fixtures that several test files share."""

from pathlib import Path

import pytest
import soundfile

EXAMPLE = Path(__file__).parents[1] / "examples" / "everything-is-free"


@pytest.fixture(scope="session")
def example():
    """The bundled song, 16 kHz mono: dict of float32 [400000] by stem."""
    names = ("vocals", "accompaniment", "mixture")
    return {name: soundfile.read(EXAMPLE / f"{name}.flac", dtype="float32")[0] for name in names}


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """The command sets bfloat16 for its whole process, which here is all tests'."""
    monkeypatch.setattr("vocaltrack.commands.compute_in_bfloat16", lambda: None)
