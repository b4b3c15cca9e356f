"""Readers for the datasets: each turns a folder into a list of `Song`.

Nothing is decoded here; a reader only looks at names.
"""

import re
from pathlib import Path

from vocaltrack.config import read_json
from vocaltrack.errors import UserError
from vocaltrack.songs import SPLITS, Clip, Song, Source, assign_splits

AUDIO_ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
VALID_TEST_FRACTIONS = (0.1, 0.1)
SPLIT_SEED = 0


def read_mir1k(root):
    """MIR-1K: `Wavfile/<singer>_<song>_<clip>`, accompaniment left, vocals right.

    A `splits.json` beside `Wavfile` ({split: ["<singer>_<song>", ...]})
    decides the splits; songs that it does not name in a split are left out.
    Without it the singers are dealt out at random (10 % valid, 10 % test).

    Args:
        root: folder that holds `Wavfile`.

    Returns:
        list of `Song`, the clips of a song joined.

    Raises:
        UserError: the folder does not look like MIR-1K.
    """
    root = _folder(root)
    songs = {}
    for path in _audio_files(root / "Wavfile"):
        match = re.fullmatch(r"(\w+?)_(\d+)_(\d+)", path.stem)
        if match is None:
            raise UserError(f"{path} is not named <singer>_<song>_<clip>, as MIR-1K's files are")
        singer, number, _ = match.groups()
        songs.setdefault((singer, f"{singer}_{number}"), []).append(path)
    if not songs:
        raise UserError(f"{root} holds no MIR-1K clips (Wavfile/<singer>_<song>_<clip>.wav)")
    listed = root / "splits.json"
    if listed.exists():
        lists = read_json(listed, "the splits")
        split_of = {name: split for split in SPLITS for name in lists.get(split, ())}
    else:
        dealt = assign_splits([singer for singer, _ in songs], VALID_TEST_FRACTIONS, SPLIT_SEED)
        split_of = {name: dealt[singer] for singer, name in songs}
    return [
        Song(
            name=name,
            dataset="MIR-1K",
            singer=singer,
            split=split_of[name],
            clips=tuple(Clip((Source(p, channel=1),), (Source(p, channel=0),)) for p in paths),
        )
        for (singer, name), paths in sorted(songs.items())
        if name in split_of
    ]


def read_dsd100(root):
    """DSD100: `Sources/{Dev,Test}/<song>/{vocals,bass,drums,other}.wav`.

    Dev is train, Test is test; the folder name "<number> - <artist> -
    <title>" gives the singer.

    Raises:
        UserError: the folder does not look like DSD100.
    """
    root = _folder(root)
    songs = []
    for folder_name, split in (("Dev", "train"), ("Test", "test")):
        for folder in _subfolders(root / "Sources" / folder_name):
            sources = {p.stem: Source(p) for p in _audio_files(folder)}
            absent = {"vocals", "bass", "drums", "other"} - set(sources)
            if absent:
                raise UserError(f"{folder} lacks {', '.join(sorted(absent))}")
            parts = folder.name.split(" - ")
            backing = tuple(sources[name] for name in ("bass", "drums", "other"))
            songs.append(
                Song(
                    name=folder.name,
                    dataset="DSD100",
                    singer=parts[1] if len(parts) > 2 else parts[0],
                    split=split,
                    clips=(Clip((sources["vocals"],), backing),),
                )
            )
    if not songs:
        raise UserError(f"{root} holds no DSD100 songs (Sources/Dev/<song>/vocals.wav)")
    return songs


def read_musdb(root):
    """MUSDB18 (.stem.mp4) or MUSDB18-HQ (wav), told apart by what is there.

    Uses the `musdb` package and its split of the train folder into train
    and valid; songs of one artist follow the artist's first song.

    Raises:
        UserError: the folder does not look like either.
    """
    import musdb

    root = _folder(root)
    is_wav = not any(root.glob("*/*.stem.mp4"))
    songs = []
    for subset, split in (("train", "train"), ("train", "valid"), ("test", None)):
        if not (root / subset).is_dir():
            raise UserError(f"{root} holds no folder {subset!r}, as MUSDB18 does")
        database = musdb.DB(root=str(root), subsets=subset, split=split, is_wav=is_wav)
        for track in database.tracks:
            stems = {name: _musdb_source(source) for name, source in track.sources.items()}
            backing = tuple(stems[name] for name in ("bass", "drums", "other"))
            songs.append(
                Song(
                    name=track.name,
                    dataset="MUSDB18",
                    singer=track.name.split(" - ")[0],
                    split=split or "test",
                    clips=(Clip((stems["vocals"],), backing),),
                )
            )
    if not songs:
        raise UserError(f"{root} holds no MUSDB18 songs")
    return _keep_artists_together(songs)


def _musdb_source(source):
    path = Path(source.path)
    return Source(path, stem_id=source.stem_id if path.suffix == ".mp4" else None)


def _keep_artists_together(songs):
    """Move train songs of an artist that is held out too out of the training."""
    order = {"test": 0, "valid": 1, "train": 2}
    held = {}
    for song in sorted(songs, key=lambda s: order[s.split]):
        held.setdefault(song.singer, song.split)
    return [song for song in songs if held[song.singer] == song.split]


def read_stems(root):
    """A plain folder of stems: `[<split>/]<song>/{vocals,accompaniment}.<ext>`.

    Either file may be absent: a folder with vocals alone is solo singing, one
    with accompaniment alone is instrumental music. Each song's folder counts
    as one singer. Without folders named train, valid or test the songs are
    dealt out at random (10 % valid, 10 % test).

    Raises:
        UserError: there are no songs, or a stem is there twice.
    """
    root = _folder(root)
    folders = [(split, f) for split in SPLITS for f in _subfolders(root / split)]
    if not folders:
        plain = _subfolders(root)
        dealt = assign_splits([f.name for f in plain], VALID_TEST_FRACTIONS, SPLIT_SEED)
        folders = [(dealt[f.name], f) for f in plain]
    songs = []
    for split, folder in folders:
        stems = {"vocals": (), "accompaniment": ()}
        for path in _audio_files(folder):
            if path.stem in stems:
                if stems[path.stem]:
                    raise UserError(f"{folder} holds the {path.stem} twice; keep one file")
                stems[path.stem] = (Source(path),)
        if any(stems.values()):
            songs.append(Song(folder.name, root.name, folder.name, split, (Clip(**stems),)))
    if not songs:
        raise UserError(f"{root} holds no <song>/vocals.* or <song>/accompaniment.*")
    return songs


READERS = {
    "mir1k": read_mir1k,
    "dsd100": read_dsd100,
    "musdb": read_musdb,
    "stems": read_stems,
}


def _folder(path):
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path} is no folder; give the folder of the dataset")
    return path


def _subfolders(folder):
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def _audio_files(folder):
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in AUDIO_ENDINGS)
