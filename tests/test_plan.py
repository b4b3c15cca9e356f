"""A plan's digest is of all that the bytes of the records depend on."""

import dataclasses

import pytest

from vocaltrack import plan
from vocaltrack.config import FeatureConfig
from vocaltrack.mixing import MixtureConfig
from vocaltrack.plan import plan_digest
from vocaltrack.songs import Clip, Song, Source


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(b"not read as audio")
    return Song("a", "d", "singer", "train", (Clip((Source(path, 1),), (Source(path, 0),)),))


def digest(song, excerpts_per_shard=4):
    chunks = {"train": 4}
    return plan_digest([song], chunks, FeatureConfig(), MixtureConfig(), 0, excerpts_per_shard)


def sung_by(song, **other):
    """The song with its vocals from another place of the same file."""
    (clip,) = song.clips
    vocals = (dataclasses.replace(clip.vocals[0], **other),)
    return dataclasses.replace(song, clips=(dataclasses.replace(clip, vocals=vocals),))


def test_other_records_have_other_digests(song, monkeypatch):
    digests = [
        digest(song),
        digest(song, excerpts_per_shard=5),
        digest(dataclasses.replace(song, split="valid")),
        digest(sung_by(song, channel=None)),
        digest(sung_by(song, track=1)),
    ]
    assert digest(song) == digests[0]
    for name in ("CHUNKS_PER_EXCERPT", "__version__"):
        with monkeypatch.context() as patch:
            patch.setattr(plan, name, 9)
            digests.append(digest(song))
    assert len(set(digests)) == len(digests)
