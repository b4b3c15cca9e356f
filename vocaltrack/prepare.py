"""Songs to a folder of records: planned, in parallel, resumable, and the same
bytes for the same seed."""

import shutil
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from vocaltrack import mixing
from vocaltrack.config import FeatureConfig
from vocaltrack.errors import UserError, first_of, warn
from vocaltrack.files import PREFIX, make_folder, write_atomically
from vocaltrack.locks import alone_in
from vocaltrack.own_folders import RECORDS, refuse_other_kinds
from vocaltrack.plan import plan_digest
from vocaltrack.progress import counted
from vocaltrack.records import Manifest, parse_chunks
from vocaltrack.shards import (
    CHUNKS_PER_EXCERPT,
    Shard,
    decode_song,
    excerpt_samples,
    write_shard,
)
from vocaltrack.silence import as_heard
from vocaltrack.splits import check_splits
from vocaltrack.workers import process_pool

EXCERPTS_PER_SHARD = 500
STATISTICS_SHARDS = 4
DECODED = f"{PREFIX}decoded"  # folder of the decoded stems, while they are needed


def prepare(
    songs,
    folder,
    chunks,
    features=FeatureConfig(),
    *,
    mixtures=mixing.MixtureConfig(),
    seed=0,
    workers=2,
):
    """Write the records of a set of songs.

    An interrupted call leaves whole shards behind and goes on with them; a
    folder that is complete is left as it is.

    Args:
        songs: list of `Song`, of all datasets and splits; those of a split of which no
            chunks are wanted are not read.
        folder: where the records go.
        chunks: dict from split to the number of chunks wanted; rounded up to
            whole excerpts of four chunks.
        features: `FeatureConfig`.
        mixtures: `MixtureConfig`.
        seed: every excerpt is drawn from (seed, split, its number).
        workers: number of processes.

    Returns:
        the `Manifest`, also written to the folder.

    Raises:
        UserError: a song or singer crosses the splits, a split has no songs,
            a file cannot be read, or the folder holds other records, a run or a SavedModel,
            or another process prepares there.
    """
    check_splits(songs)
    songs = sorted(songs, key=lambda song: song.key)
    _check_wanted(songs, chunks)
    songs = [song for song in songs if chunks.get(song.split)]
    folder = Path(folder)
    refuse_other_kinds(folder, RECORDS)
    make_folder(folder)
    with alone_in(folder):
        return _prepare(songs, folder, chunks, features, mixtures, seed, workers)


def _prepare(songs, folder, chunks, features, mixtures, seed, workers):
    digest = plan_digest(songs, chunks, features, mixtures, seed, EXCERPTS_PER_SHARD)
    _claim(folder, digest)
    shards = _shards(songs, folder, chunks, features, mixtures, seed)
    complete = _complete(folder)
    decoded = folder / DECODED
    if complete is not None:
        shutil.rmtree(decoded, ignore_errors=True)
        return complete
    decoded.mkdir(exist_ok=True)
    try:
        with process_pool(workers) as processes:
            jobs = [(song, decoded, features.sample_rate) for song in songs]
            decoded_songs = _run(processes, decode_song, jobs, "decoding", "song")
            _tell_short_and_silent(songs, decoded_songs, features)
            kinds = _run(processes, write_shard, [(shard,) for shard in shards], "writing", "shard")
    finally:
        _clear(folder)
    manifest = _manifest(shards, kinds, features, seed)
    manifest.save(folder)
    shutil.rmtree(decoded)
    return manifest


def _check_wanted(songs, chunks):
    if not chunks.get("train"):
        raise UserError("no train chunks asked for; the models' normalisation is taken from them")
    for split, wanted in chunks.items():
        stems = [song.stems for song in songs if song.split == split]
        for what, are_there in (
            ("songs", any(stems)),
            ("accompaniment", any("accompaniment" in names for names in stems)),
        ):
            if wanted and not are_there:
                raise UserError(
                    f"no {what} in the split {split}; add some "
                    f"(of stems, in a folder named {split})"
                )
        if wanted and not any("vocals" in names for names in stems):
            warn(
                f"nobody sings in the split {split}; sort your songs into folders named "
                "train and valid, with vocals in both"
            )


def _shards(songs, folder, chunks, features, mixtures, seed):
    shards = []
    for split, wanted in chunks.items():
        chosen = tuple(song for song in songs if song.split == split)
        excerpts = -(-wanted // CHUNKS_PER_EXCERPT)
        starts = range(0, excerpts, EXCERPTS_PER_SHARD)
        for number, start in enumerate(starts):
            path = folder / f"{split}-{number:05d}-of-{len(starts):05d}.tfrecord"
            count = min(EXCERPTS_PER_SHARD, excerpts - start)
            place = (path, folder / DECODED, chosen, split, start, count)
            shards.append(Shard(*place, features, mixtures, seed))
    return shards


def _tell_short_and_silent(songs, decoded_songs, features):
    needed = excerpt_samples(features)
    short, silent = [], []
    for song, (samples, silent_stems) in zip(songs, decoded_songs, strict=True):
        silent += [f"the {stem} of {song.key}" for stem in silent_stems]
        short += [song.key] if samples < needed else []
    if silent:
        warn(f"silent, and so left out: {first_of(silent)}")
    if short:
        warn(
            f"shorter than the {needed / features.sample_rate:.1f} s of an excerpt, "
            f"which silence fills up: {first_of(short)}"
        )


def _run(processes, function, jobs, what, unit):
    """Call a function with each job's arguments, in parallel, under a bar."""
    futures = [processes.submit(function, *job) for job in jobs]
    try:
        # Ended before an error is told.
        with counted(futures, what, unit) as bar:
            return [future.result() for future in bar]
    except BrokenProcessPool as error:
        raise UserError(
            f"a process died while {what}, perhaps for want of memory; "
            "run the same again with fewer --jobs, it goes on where it was"
        ) from error
    finally:
        for future in futures:
            future.cancel()


def _claim(folder, digest):
    """Mark the folder as that of a plan's digest, or refuse one that holds another's."""
    mark = folder / "plan.sha256"
    if mark.exists() and mark.read_bytes().strip() == digest.encode():
        _clear(folder)
        return
    if any(folder.glob("*.tfrecord")):
        raise UserError(
            f"{folder} holds records of other songs or settings, or of another version of "
            "vocaltrack; give another folder or delete this one"
        )
    shutil.rmtree(folder / DECODED, ignore_errors=True)
    write_atomically(mark, lambda path: Path(path).write_text(digest + "\n"))


def _clear(folder):
    """Delete what processes that were ended had begun to write."""
    for left_over in folder.glob(f"{PREFIX}*"):
        if left_over.is_file():
            left_over.unlink()


def _complete(folder):
    """The folder's manifest if all it names is there, else None."""
    try:
        return Manifest.load(folder)
    except UserError:
        return None


def _manifest(shards, kinds, features, seed):
    listed, counts, keys = {}, {}, {}
    for shard, kind in zip(shards, kinds, strict=True):
        entry = {
            "file": shard.path.name,
            "records": shard.records,
            "bytes": shard.path.stat().st_size,
        }
        listed.setdefault(shard.split, []).append(entry)
        total = counts.setdefault(shard.split, dict.fromkeys(mixing.KINDS, 0))
        for name, number in kind.items():
            total[name] += number
        keys[shard.split] = sorted(song.key for song in shard.songs)
    mean, std = _statistics([s.path for s in shards if s.split == "train"], features)
    return Manifest(features, mean, std, listed, keys, counts, seed)


def _statistics(paths, features):
    """Mean and standard deviation of each mel band in dB of what the networks hear of
    the mixtures in the first shards."""
    import tensorflow as tf

    count, total, squares = 0, np.zeros(features.n_mels), np.zeros(features.n_mels)
    for path in paths[:STATISTICS_SHARDS]:
        try:
            for batch in tf.data.TFRecordDataset(str(path)).batch(256):
                mixtures = parse_chunks(batch, features)["mixture"]
                frames = np.asarray(as_heard(mixtures, features), np.float64)
                count += frames.shape[0] * frames.shape[1]
                total += frames.sum(axis=(0, 1))
                squares += np.square(frames).sum(axis=(0, 1))
        except tf.errors.DataLossError as error:
            raise UserError(f"{path} is corrupt; delete it and prepare again") from error
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-2))
    return tuple(map(float, mean)), tuple(map(float, std))
