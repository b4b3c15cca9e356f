"""Files and folders that appear whole or not at all."""

import os
import signal
from pathlib import Path

import pytest

from tests.sounds import names, refusal
from vocaltrack.files import (
    check_file_writable,
    folders_for,
    package_folder,
    replace_folder,
    temporaries_beside,
    write_atomically,
)


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C after each renaming."""
    real = os.replace

    def replace(source, destination):
        real(source, destination)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "replace", replace)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_write_atomically(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write(temporary):
        assert Path(temporary).parent == tmp_path
        assert Path(temporary).suffix == ".txt"
        Path(temporary).write_text("new")
        assert target.read_text() == "old"

    write_atomically(target, write)
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]
    plain = tmp_path / "plain"
    plain.touch()
    assert target.stat().st_mode == plain.stat().st_mode


def test_a_link_is_checked_where_it_leads(tmp_path):
    link = tmp_path / "a.wav"
    link.symlink_to(tmp_path / "absent" / "b.wav")
    refusal(lambda: check_file_writable(link), f"{tmp_path / 'absent'} is no folder")


@pytest.mark.skipif(os.name != "posix", reason="rights are of POSIX")
def test_new_files_have_the_umasks_rights_and_old_ones_theirs(tmp_path):
    target = tmp_path / "a.txt"
    before = os.umask(0o027)
    try:
        write_atomically(target, lambda temporary: Path(temporary).write_text("new"))
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o640
    target.chmod(0o600)
    write_atomically(target, lambda temporary: Path(temporary).write_text("newer"))
    assert target.stat().st_mode & 0o777 == 0o600 and target.read_text() == "newer"


@pytest.mark.parametrize("error", [OSError("disk\nfull"), RuntimeError("bug")])
def test_write_atomically_cleans_up(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write(temporary):
        Path(temporary).write_text("half")
        raise error

    if isinstance(error, RuntimeError):
        with pytest.raises(RuntimeError, match="bug"):
            write_atomically(target, write)
    else:
        refusal(lambda: write_atomically(target, write), target, "cannot be written")
    assert names(tmp_path) == ["a.txt"]
    assert target.read_text() == "old"


def test_replace_folder_replaces_the_whole(tmp_path):
    target = tmp_path / "deep" / "model"
    replace_folder(target, lambda folder: (folder / "old").touch())
    assert names(target) == ["old"]
    replace_folder(target, lambda folder: (folder / "new").write_text("x"))
    assert names(target) == ["new"]
    assert names(target.parent) == ["model"]
    plain = tmp_path / "plain"
    plain.mkdir()
    assert target.stat().st_mode == plain.stat().st_mode


def test_replace_folder_cleans_up(tmp_path):
    target = tmp_path / "model"
    replace_folder(target, lambda folder: (folder / "old").touch())

    def fill(folder):
        (folder / "half").touch()
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        replace_folder(target, fill)
    assert names(tmp_path) == ["model"]
    assert names(target) == ["old"]


def test_replace_folder_refuses_a_file(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    refusal(lambda: replace_folder(target, lambda folder: None), target, "cannot be written")
    refusal(lambda: replace_folder(target / "below", lambda folder: None), "cannot be written")
    assert names(tmp_path) == ["file"]
    assert target.read_text() == "old"


def test_replace_folder_brings_the_old_one_back(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "a").write_text("old")
    real = os.replace

    def fail_for_the_new(source, destination):
        if Path(source).name == "new":
            raise OSError("Input/output error")
        real(source, destination)

    monkeypatch.setattr(os, "replace", fail_for_the_new)
    refusal(lambda: replace_folder(target, lambda folder: None), "Input/output error")
    assert (target / "a").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_replace_folder_is_not_interrupted_between_its_two_renames(tmp_path, interrupted):
    target = tmp_path / "model"
    target.mkdir()
    with pytest.raises(KeyboardInterrupt):
        replace_folder(target, lambda folder: (folder / "new").touch())
    assert names(tmp_path) == ["model"] and names(target) == ["new"]


@pytest.mark.parametrize("existing", [True, False])
def test_two_files_take_their_places_uninterrupted(tmp_path, interrupted, existing):
    targets = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for target in targets if existing else ():
        target.write_text("old")
    with pytest.raises(KeyboardInterrupt), temporaries_beside(targets) as temporaries:
        for temporary in temporaries:
            temporary.write_text("new")
    assert names(tmp_path) == ["a.txt", "b.txt"]
    assert [target.read_text() for target in targets] == ["new", "new"]


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_link_to_a_folder_stays_one(tmp_path):
    far, link = tmp_path / "far", tmp_path / "link"
    far.mkdir()
    (far / "old").touch()
    link.symlink_to(far)
    replace_folder(link, lambda folder: (folder / "new").touch())
    assert link.is_symlink() and names(far) == ["new"]
    assert names(tmp_path) == ["far", "link"]


def test_folders_made_for_files_go_again_on_an_error_unless_something_is_in_them(tmp_path):
    target = tmp_path / "a" / "b" / "c.wav"
    with pytest.raises(ValueError, match="bug"), folders_for([target]):
        assert target.parent.is_dir()
        raise ValueError("bug")
    assert names(tmp_path) == []
    two = [tmp_path / "o" / stem / "x.wav" for stem in ("vocals", "accompaniment")]
    with pytest.raises(ValueError, match="bug"), folders_for(two):
        raise ValueError("bug")
    assert names(tmp_path) == []
    with pytest.raises(ValueError, match="bug"), folders_for([target]):
        (tmp_path / "a" / "kept").touch()
        raise ValueError("bug")
    assert names(tmp_path / "a") == ["kept"]
    with folders_for([target, tmp_path / "a" / "d" / "e.wav"]):
        pass
    assert names(tmp_path / "a") == ["b", "d", "kept"]
    in_file = tmp_path / "a" / "kept" / "x.wav"
    refusal(lambda: folders_for([in_file]).__enter__(), tmp_path / "a" / "kept", "cannot be made")


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(ModuleNotFoundError) as raised:
        package_folder("no_such_package")
    assert raised.value.name == "no_such_package"
