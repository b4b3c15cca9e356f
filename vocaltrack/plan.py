"""What a folder of records was made of, told apart by a checksum: an interrupted
preparation goes on only with the songs and settings that it began with."""

import dataclasses
import hashlib
import json

from vocaltrack import __version__, augmentation, formants, mixing, passages, pool
from vocaltrack.audio import refuse_what_is_no_file
from vocaltrack.shards import CHUNKS_PER_EXCERPT

FINGERPRINTS, FINGERPRINT_BYTES = 16, 4096  # places in a file, and bytes at each


def plan_digest(songs, chunks, features, mixtures, seed, excerpts_per_shard):
    """A checksum of everything that the bytes of the shards depend on.

    Args:
        songs, chunks, features, mixtures, seed: as for `prepare`.
        excerpts_per_shard: number of excerpts in each shard but the last.

    Returns:
        str of hexadecimal digits.
    """
    sources = {
        song.key: [
            [source.path.name, _fingerprint(source.path), source.channel, source.track]
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


def _fingerprint(path):
    """A checksum of a file's size and of some of its bytes, which tell one recording
    from another without reading all of a dataset.

    Raises:
        UserError: it is none.
    """
    refuse_what_is_no_file(path)
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        for part in range(FINGERPRINTS):
            file.seek(part * max(0, size - FINGERPRINT_BYTES) // (FINGERPRINTS - 1))
            digest.update(file.read(FINGERPRINT_BYTES))
    return digest.hexdigest()
