"""Where the tests find real audio and the shipped models."""

import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLE = REPOSITORY / "examples" / "everything-is-free"
SAVED_MODELS = REPOSITORY / "saved_models"
DATA = REPOSITORY.parent / "shared" / "data"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the training audio in ../shared/data, which is not here"
)
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
