"""Who is trained on, validated on and tested on: never the same song or singer."""

import hashlib
import unicodedata

from vocaltrack.config import SPLITS
from vocaltrack.errors import UserError
from vocaltrack.jsonfiles import read_json

LEFT_OUT = "left_out"
BY_ARTIST = ("DSD100", "MUSDB18")  # datasets with songs of the same library


def listed_splits(path):
    """The splits that a splits.json lists songs for.

    Args:
        path: JSON of lists of names by split; one named left_out is for its readers alone.

    Returns:
        dict from song to split.

    Raises:
        UserError: it holds something else, or a song stands in several lists.
    """
    lists = read_json(path, "the splits")
    if not all(isinstance(names, list) for names in lists.values()) or not all(
        isinstance(name, str) for names in lists.values() for name in names
    ):
        raise UserError(f'{path} must hold {{"train": [songs], "valid": [songs], ...}}')
    if others := sorted(set(lists) - {*SPLITS, LEFT_OUT}):
        known = ", ".join(SPLITS)
        raise UserError(f"{path} has a list named {others[0]}; name it {known} or {LEFT_OUT}")
    split_of = {}
    for split in SPLITS:
        for name in lists.get(split, ()):
            if split_of.setdefault(name, split) != split:
                raise UserError(f"{path} lists {name} in {split_of[name]} and {split}")
    return split_of


def check_splits(songs):
    """Refuse songs or singers that stand in more than one split, and names
    that two songs share.

    Raises:
        UserError: names the first song or singer that is wrong.
    """
    seen, by_key = {}, {}
    for song in songs:
        for what, name in (("song", song.key), ("singer", f"{song.dataset}/{song.singer}")):
            split = seen.setdefault((what, name), song.split)
            if split != song.split:
                raise UserError(
                    f"{what} {name} is in the splits {split} and {song.split}; "
                    "a song and a singer belong to one split"
                )
        if song.key in by_key:
            places = [twin.sources[0].path.parent for twin in (by_key[song.key], song)]
            raise UserError(
                f"two songs are named {song.key}, in {places[0]} and in {places[1]}; leave one "
                "out, or rename it"
            )
        by_key[song.key] = song


def keep_artists_together(songs):
    """Leave out the songs of artists of test from valid and train, and of valid
    from train, where the datasets name the artists.

    Args:
        songs: list of `Song`, of any datasets.

    Returns:
        list of the songs that stay.
    """
    named = [song for song in songs if song.dataset in BY_ARTIST]
    held = {}
    for song in sorted(named, key=lambda song: SPLITS.index(song.split), reverse=True):
        held.setdefault(song.singer, song.split)
    return [
        song for song in songs if song.dataset not in BY_ARTIST or held[song.singer] == song.split
    ]


def assign_splits(singers, fractions, seed):
    """Deal singers out to train, valid and test by hashes of their names.

    Of two singers one goes to valid, of three one to test, however small their
    shares. Who is in train stays there when a fourth or later singer joins (unless
    all others but one are held out), so that what one network has heard does not
    validate the next.

    Args:
        singers: names, in any order; repeated names count once.
        fractions: shares of (valid, test), which hold on average; the rest is train.
        seed: the same seed gives the same splits.

    Returns:
        dict from singer to split.
    """
    lot = {name: _lot(f"{seed} {name}") for name in singers}
    least_valid, least_test = (
        int(share > 0 and len(lot) >= fewest) for share, fewest in zip(fractions, (2, 3))
    )
    held = sum(value < sum(fractions) for value in lot.values())
    held = min(max(held, least_valid + least_test), max(0, len(lot) - 1))
    valid = sum(value < fractions[0] for value in lot.values())
    valid = min(max(valid, least_valid), held - least_test)
    splits = ["valid"] * valid + ["test"] * (held - valid) + ["train"] * (len(lot) - held)
    return dict(zip(sorted(lot, key=lot.get), splits))


def _lot(text):
    """A number from 0 to 1 that a text always draws, however a disk spells its accents."""
    digest = hashlib.sha256(unicodedata.normalize("NFC", text).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
