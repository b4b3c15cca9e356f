"""Readers for the datasets: each turns a folder into a list of `Song`.

Nothing is decoded here; a reader only looks at names.
"""

import dataclasses
import re
from pathlib import Path

import yaml

from vocaltrack.config import SPLITS, STEM_NAMES
from vocaltrack.dataset_folders import audio_files, dataset_folder, recordings, subfolders
from vocaltrack.errors import UserError, first_of, remark
from vocaltrack.files import package_folder
from vocaltrack.songs import Clip, Song, Source
from vocaltrack.splits import assign_splits, listed_splits

VALID_TEST_FRACTIONS = (0.1, 0.1)
DEV_FRACTIONS = (0.1, 0.0)  # of DSD100, whose test songs are listed
SPLIT_SEED = 0
STEM_FILE = ".stem.mp4"
KNOWN = (*STEM_NAMES, "mixture")  # of the audio in a song's folder


def read_mir1k(root):
    """MIR-1K: `Wavfile/<singer>_<song>_<clip>`, accompaniment left, vocals right.

    A `splits.json` beside `Wavfile` ({split: ["<singer>_<song>", ...]})
    decides the splits; songs that it does not name in a split, or names in "left_out", are
    left out.
    Without it the singers are dealt out by hashes of their names (10 % valid, 10 % test).

    Args:
        root: folder that holds `Wavfile`.

    Returns:
        list of `Song`, the clips of a song joined.

    Raises:
        UserError: the folder does not look like MIR-1K.
    """
    songs = mir1k_songs(root)
    listed = Path(root) / "splits.json"
    if listed.exists():
        split_of = listed_splits(listed)
        absent = sorted(set(split_of) - {song.name for song in songs})
        if len(absent) == len(split_of):
            raise UserError(f"{listed} names none of the songs in {Path(root) / 'Wavfile'}")
        if absent:
            remark(f"{listed} names {first_of(absent)}, of which there are no clips")
    else:
        dealt = assign_splits([song.singer for song in songs], VALID_TEST_FRACTIONS, SPLIT_SEED)
        split_of = {song.name: dealt[song.singer] for song in songs}
    if left_out := [song.name for song in songs if song.name not in split_of]:
        remark(f"{listed} leaves out {first_of(left_out)}")
    return [
        dataclasses.replace(song, split=split_of[song.name])
        for song in songs
        if song.name in split_of
    ]


def mir1k_songs(root):
    """All songs of MIR-1K, in the split test, whatever its splits.json says.

    Args:
        root: folder that holds `Wavfile`.

    Returns:
        list of `Song`, the clips of a song joined.

    Raises:
        UserError: the folder does not look like MIR-1K.
    """
    root = dataset_folder(root)
    clips = {}
    for name, path in recordings(root / "Wavfile").items():
        match = re.fullmatch(r"(\w+?)_(\d+)_(\d+)", name)
        if match is None:
            raise UserError(f"{path} is not named <singer>_<song>_<clip>, as MIR-1K's files are")
        singer, number, _ = match.groups()
        clip = Clip((Source(path, channel=1),), (Source(path, channel=0),))
        clips.setdefault((f"{singer}_{number}", singer), []).append(clip)
    if not clips:
        raise UserError(f"{root} holds no MIR-1K clips (Wavfile/<singer>_<song>_<clip>.wav)")
    return [
        Song(name, "MIR-1K", singer, "test", tuple(parts))
        for (name, singer), parts in sorted(clips.items())
    ]


def read_dsd100(root):
    """DSD100: `Sources/{Dev,Test}/<song>/{vocals,bass,drums,other}.wav`.

    Dev is train and valid (10 % of the singers), Test is test; the folder name
    "<number> - <artist> - <title>" gives the singer. Some sing in Dev and in Test; see
    `splits.keep_artists_together`.

    Raises:
        UserError: the folder does not look like DSD100.
    """
    root = dataset_folder(root)
    songs = []
    for folder_name, split in (("Dev", "train"), ("Test", "test")):
        for folder in subfolders(root / "Sources" / folder_name):
            sources = {name: Source(path) for name, path in recordings(folder).items()}
            absent = {"vocals", "bass", "drums", "other"} - set(sources)
            if absent:
                raise UserError(f"{folder} lacks {', '.join(sorted(absent))}")
            parts = folder.name.split(" - ")
            singer = parts[1] if len(parts) > 2 else parts[0]
            backing = tuple(sources[name] for name in ("bass", "drums", "other"))
            clip = Clip((sources["vocals"],), backing)
            songs.append(Song(folder.name, "DSD100", singer, split, (clip,)))
    if not songs:
        raise UserError(f"{root} holds no DSD100 songs (Sources/Dev/<song>/vocals.wav)")
    dealt = assign_splits(
        [s.singer for s in songs if s.split == "train"], DEV_FRACTIONS, SPLIT_SEED
    )
    return [
        dataclasses.replace(song, split=dealt[song.singer]) if song.split == "train" else song
        for song in songs
    ]


def read_musdb(root):
    """MUSDB18 (`{train,test}/<song>.stem.mp4`) or MUSDB18-HQ
    (`{train,test}/<song>/{vocals,bass,drums,other}.wav`).

    The songs for validation are those that the `musdb` package names. Some artists are
    in train and test; see `splits.keep_artists_together`.

    Raises:
        UserError: the folder does not look like either, or a song is there twice.
    """
    root = dataset_folder(root)
    validation = _musdb_validation_songs()
    songs = []
    for subset in ("train", "test"):
        stems_of = {folder.name: folder for folder in subfolders(root / subset)}
        for path in audio_files(root / subset):
            name = path.name.removesuffix(STEM_FILE)
            if name in stems_of:
                raise UserError(f"{root / subset} holds {name} twice, as folder and file; keep one")
            if name != path.name:
                stems_of[name] = path
        for name, path in sorted(stems_of.items()):
            vocals, *backing = _musdb_sources(path)
            songs.append(
                Song(
                    name=name,
                    dataset="MUSDB18",
                    singer=name.split(" - ")[0],
                    split="valid" if subset == "train" and name in validation else subset,
                    clips=(Clip((vocals,), tuple(backing)),),
                )
            )
    if not songs:
        raise UserError(f"{root} holds no MUSDB18 songs (train/<song>.stem.mp4 or train/<song>/)")
    return songs


def _musdb_validation_songs():
    # Importing musdb needs ffmpeg, its list of songs does not.
    listing = package_folder("musdb") / "configs" / "mus.yaml"
    config = yaml.safe_load(listing.read_text(encoding="utf-8"))
    return set(config["validation_tracks"])


def _musdb_sources(path):
    """The sources of vocals, drums, bass and other of one song."""
    if path.is_file():
        return [Source(path, track=number) for number in (4, 1, 2, 3)]
    paths = [path / f"{name}.wav" for name in ("vocals", "drums", "bass", "other")]
    absent = [p.name for p in paths if not p.exists()]
    if absent:
        raise UserError(f"{path} lacks {', '.join(absent)}")
    return [Source(p) for p in paths]


def read_stems(root):
    """A plain folder of stems: `[<split>/]<song>/{vocals,accompaniment}.<ext>`.

    Either file may be absent: a folder with vocals alone is solo singing, one
    with accompaniment alone is instrumental music. Each song's folder counts
    as one singer. Without folders named train, valid or test the songs are
    dealt out by hashes of their names (10 % valid, 10 % test).

    Raises:
        UserError: there are no songs, a stem is there twice, or songs lie
            beside the folders of the splits, or stems in these.
    """
    root = dataset_folder(root)
    for split in SPLITS:
        if stems := recordings(root / split, wanted=STEM_NAMES):
            raise UserError(
                f"{root / split} holds {min(stems)} itself; put each song of the split into a "
                "folder in it"
            )
    plain = _folders_of_stems(root)
    split_folders = {split: _folders_of_stems(root / split) for split in SPLITS}
    if plain and any(split_folders.values()):
        raise UserError(f"{root} holds {min(plain)} beside train, valid or test; move it there")
    dealt = assign_splits(plain, VALID_TEST_FRACTIONS, SPLIT_SEED)
    clips = [(dealt[name], name, clip) for name, clip in plain.items()]
    for split, folders in split_folders.items():
        clips += [(split, name, clip) for name, clip in folders.items()]
    if not clips:
        if recordings(root, wanted=STEM_NAMES):
            raise UserError(f"{root} is a song itself; give the folder that holds it")
        raise UserError(
            f"{root} holds no <song>/vocals.* or <song>/accompaniment.*, nor do folders in it that "
            "are named train, valid or test"
        )
    return [Song(name, root.name, name, split, (clip,)) for split, name, clip in clips]


def _folders_of_stems(root):
    """{name: Clip} of the folders in a folder that hold a stem."""
    clips, left_out = {}, []
    for folder in subfolders(root):
        stems = {n: (Source(p),) for n, p in recordings(folder, wanted=STEM_NAMES).items()}
        if stems:
            _refuse_misnamed(folder, stems)
            clips[folder.name] = Clip(**stems)
        elif folder.name not in SPLITS and any(map(audio_files, (folder, *subfolders(folder)))):
            left_out.append(folder.name)
    if left_out:
        remark(f"{root}: neither vocals.* nor accompaniment.* in {first_of(left_out)}")
    return clips


def _refuse_misnamed(folder, stems):
    """Refuse a song without one of its stems, but with audio that may be that stem."""
    missing = [name for name in STEM_NAMES if name not in stems]
    if not missing:
        return
    for path in audio_files(folder):
        if path.stem.lower() not in KNOWN:
            raise UserError(
                f"{folder} holds {path.stem} but no {missing[0]}; the stems of a song are named "
                "vocals.* and accompaniment.*: rename it, or move it away"
            )


READERS = {
    "mir1k": read_mir1k,
    "dsd100": read_dsd100,
    "musdb": read_musdb,
    "stems": read_stems,
}
