"""What lies in the folders of a dataset; nothing hidden is seen."""

import os
from pathlib import Path

from vocaltrack.errors import UserError
from vocaltrack.formats import is_audio


def dataset_folder(path):
    """A dataset's folder as an absolute path.

    Raises:
        UserError: it is no folder.
    """
    if not Path(path).is_dir():
        raise UserError(f"{path} is no folder; give the folder of the dataset")
    return Path(os.path.abspath(path))  # "." too has a name, by which its songs are known


def subfolders(folder):
    """The folders in a folder, sorted; none in one that is absent."""
    if not folder.is_dir():
        return []
    return [path for path in _visible(folder) if path.is_dir()]


def audio_files(folder):
    """The audio files in a folder, sorted; none in one that is absent."""
    if not folder.is_dir():
        return []
    return [path for path in _visible(folder) if is_audio(path)]


def _visible(folder):
    """What is in a folder, sorted; records, which name it, take UTF-8 alone."""
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in paths:
        try:
            path.name.encode()
        except UnicodeEncodeError as error:
            what = f"{folder} holds {path.name!r}, whose name is no UTF-8; rename it"
            raise UserError(what) from error
    return paths


def recordings(folder, wanted=None):
    """A folder's audio files by their names without endings.

    Args:
        folder: `Path`.
        wanted: the names to take, in whatever case; None for all.

    Returns:
        dict from name to path.

    Raises:
        UserError: one is there twice.
    """
    found = {}
    for path in audio_files(folder):
        name = path.stem if wanted is None else path.stem.lower()
        if wanted and name not in wanted:
            continue
        if name in found:
            raise UserError(f"{folder} holds {name} twice; keep one file")
        found[name] = path
    return found
