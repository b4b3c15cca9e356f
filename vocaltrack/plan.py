"""What a folder of records was made of, told apart by a checksum: an interrupted
preparation goes on only with the songs and settings that it began with."""

import dataclasses
import functools
import hashlib
import json

from vocaltrack import __version__, augmentation, formants, mixing, passages, pool
from vocaltrack.audio import refuse_what_is_no_file
from vocaltrack.files import sha256_of
from vocaltrack.shards import CHUNKS_PER_EXCERPT


def plan_digest(songs, chunks, features, mixtures, seed, excerpts_per_shard):
    """A checksum of what the bytes of the shards depend on: all but the machine and the
    versions of the libraries.

    Args:
        songs, chunks, features, mixtures, seed: as for `prepare`.
        excerpts_per_shard: number of excerpts in each shard but the last.

    Returns:
        str of hexadecimal digits.
    """
    checksum = functools.cache(_checksum)  # stems share files
    sources = {
        song.key: [
            [source.path.name, checksum(source.path), source.channel, source.track]
            for source in song.sources
        ]
        for song in songs
    }
    plan = {
        "version": __version__,
        "chunks": chunks,
        "features": features.to_dict(),
        "seed": seed,
        "splits": {song.key: song.split for song in songs},
        "sources": sources,
        "excerpts": [excerpts_per_shard, CHUNKS_PER_EXCERPT],
        "mixtures": dataclasses.asdict(mixtures),
        "constants": {
            module.__name__: {name: value for name, value in vars(module).items() if name.isupper()}
            for module in (augmentation, formants, mixing, passages, pool)
        },
    }
    text = json.dumps(plan, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(path):
    refuse_what_is_no_file(path)  # a pipe would be waited for
    return sha256_of(path)
