"""Fixtures that several test files share."""

import contextlib
import importlib
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

# Before tests.paths asks for it.
if shutil.which("ffmpeg") is None:
    bin_folder = tempfile.TemporaryDirectory()
    with contextlib.suppress(RuntimeError):  # it has none for this machine
        (Path(bin_folder.name) / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    os.environ["PATH"] += os.pathsep + bin_folder.name
pytest.register_assert_rewrite("tests.fuzzing", "tests.networks", "tests.sounds")

from tests.paths import EXAMPLE, REPOSITORY  # noqa: E402
from vocaltrack.processor import compute_with_onednn  # noqa: E402

compute_with_onednn()  # as in the package; before a test file loads TensorFlow
os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the commands are to be quiet by themselves
from tests.fuzzing import cheap  # noqa: E402, F401
from tests.tiny_runs import other_records, records, runs  # noqa: E402, F401


@pytest.fixture
def shipped_recipe(monkeypatch):
    """A function from the name of a module of recipes/shipped to the module."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "recipes" / "shipped"))
    return importlib.import_module


@pytest.fixture
def mir1k_recipe(monkeypatch):
    """The same of recipes/mir1k."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "recipes" / "mir1k"))
    return importlib.import_module


@pytest.fixture(scope="session")
def example():
    """The bundled song, 16 kHz mono: dict of float32 [400000] by stem."""
    names = ("vocals", "accompaniment", "mixture")
    return {name: soundfile.read(EXAMPLE / f"{name}.flac", dtype="float32")[0] for name in names}


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """The command sets bfloat16 for its whole process, which here is all tests'."""
    monkeypatch.setattr("vocaltrack.separate_command.compute_in_bfloat16", lambda: None)


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    noise = np.random.default_rng(0).normal(0, 0.1, (44100, 2))
    soundfile.write(path, noise, 44100, subtype="PCM_24")
    return path


@pytest.fixture
def fake(monkeypatch):
    """A separator in the model's place whose vocals are half of the mixture."""
    from vocaltrack import separator

    class Fake:
        model, method = SimpleNamespace(name="hdc"), "head"
        factor = 0.5

        def __init__(self, *options):
            self.options = options

        def stream(self, blocks, sample_rate, channels, masks=None):
            for block in blocks():
                yield block, block * self.factor, block[:0]

    monkeypatch.setattr(separator, "Separator", Fake)
    return Fake


@pytest.fixture
def no_ffmpeg(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty_path")))
