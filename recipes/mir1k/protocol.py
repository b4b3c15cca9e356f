"""The songs of the protocol of Huang et al. (2014) on MIR-1K.

Trained on the singers abjones and amy alone, 175 clips, and tested on every
other singer in the folder: 825 clips in the whole MIR-1K. One song of each of
the two, 18 clips, is held out for validation: singers then cross from train
to valid, songs do not. Huang et al. held out 4 clips, as far as we remember.
"""

import dataclasses

from vocaltrack.datasets import mir1k_songs
from vocaltrack.errors import UserError

TRAIN_SINGERS = ("abjones", "amy")
VALID_SONGS = ("abjones_5", "amy_9")
SPLITS = ("test", "valid")
SHARED_BACKING = ("yifen_2", "leon_5", "stool_4")  # over the music of a training song


def training_songs(root):
    """The songs to train on and to validate on.

    Args:
        root: folder of MIR-1K.

    Returns:
        list of `Song`, of the splits train and valid.
    """
    songs = []
    for song in mir1k_songs(root):
        if song.name in VALID_SONGS:
            # The package takes care that no singer crosses; here that is the protocol.
            songs.append(
                dataclasses.replace(song, split="valid", singer=f"{song.singer} (validation)")
            )
        elif song.singer in TRAIN_SINGERS:
            songs.append(dataclasses.replace(song, split="train"))
    return songs


def clips_to_score(root, split="test"):
    """The clips to score, each with its name.

    Args:
        root: folder of MIR-1K.
        split: "test" for the singers that were never heard, "valid" for the
            songs held out of those that were.

    Returns:
        list of (name of the clip, `Song` of this clip alone).

    Raises:
        UserError: there is none.
    """
    clips = [
        (clip.vocals[0].path.stem, dataclasses.replace(song, clips=(clip,)))
        for song in mir1k_songs(root)
        if (song.singer not in TRAIN_SINGERS if split == "test" else song.name in VALID_SONGS)
        for clip in song.clips
    ]
    if not clips:
        raise UserError(f"{root} holds no clips of the split {split}; is it the whole MIR-1K?")
    return clips
