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
