"""Songs to TFRecord shards: in parallel, resumable, the same bytes for the
same seed."""

import dataclasses
import functools
import hashlib
import json
import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vocaltrack.config import FeatureConfig
from vocaltrack.errors import UserError
from vocaltrack.files import write_atomically
from vocaltrack.mixing import KINDS, Mixer, Pool, sounding_segments
from vocaltrack.records import STREAMS, Manifest, encode_chunk
from vocaltrack.songs import STEM_NAMES, check_splits

CHUNKS_PER_EXCERPT = 4
EXCERPTS_PER_SHARD = 500
STATISTICS_SHARDS = 4


def prepare(songs, folder, chunks, features=FeatureConfig(), seed=0, workers=2):
    """Write the records of a set of songs.

    An interrupted call leaves whole shards behind and goes on with them.

    Args:
        songs: list of `Song`, of all datasets and splits.
        folder: where the records go.
        chunks: dict from split to the number of chunks wanted; rounded up to
            whole excerpts of four chunks.
        features: `FeatureConfig`.
        seed: every excerpt is drawn from (seed, split, its number).
        workers: number of processes.

    Returns:
        the `Manifest`, also written to the folder.

    Raises:
        UserError: a song or singer crosses the splits, a split has no songs,
            a file cannot be read, or the folder holds other records.
    """
    check_splits(songs)
    if not chunks.get("train"):
        raise UserError("no train chunks asked for; the models' normalisation is taken from them")
    folder = Path(folder)
    plan = _plan(songs, chunks, features, seed)
    _claim(folder, plan)
    decoded = folder / "decoded"
    decoded.mkdir(exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [(s, stem, decoded, features.sample_rate) for s in songs for stem in s.stems]
        _run(pool, _decode_stem, jobs, "decoding", "stem")
        shards = []
        for split, wanted in chunks.items():
            chosen = [song for song in songs if song.split == split]
            if wanted and not any(song.stems for song in chosen):
                raise UserError(f"no songs in the split {split}; add some or ask for 0 chunks")
            excerpts = -(-wanted // CHUNKS_PER_EXCERPT)
            starts = range(0, excerpts, EXCERPTS_PER_SHARD)
            for number, start in enumerate(starts):
                name = f"{split}-{number:05d}-of-{len(starts):05d}.tfrecord"
                count = min(EXCERPTS_PER_SHARD, excerpts - start)
                shards.append(
                    _Shard(
                        folder / name, decoded, tuple(chosen), split, start, count, features, seed
                    )
                )
        kinds = _run(pool, write_shard, shards, "writing", "shard")
    manifest = _manifest(songs, shards, kinds, features, seed)
    manifest.save(folder)
    shutil.rmtree(decoded)
    return manifest


@dataclasses.dataclass(frozen=True)
class _Shard:
    """One shard to write: excerpts `start` to `start + count` of a split."""

    path: Path
    decoded: Path
    songs: tuple
    split: str
    start: int
    count: int
    features: FeatureConfig
    seed: int


def _run(pool, function, jobs, what, unit):
    """Map over the jobs in parallel under a progress bar."""
    return list(tqdm(pool.map(function, jobs), total=len(jobs), desc=what, unit=unit))


def _plan(songs, chunks, features, seed):
    """Everything that the bytes of the shards depend on, as JSON text."""
    plan = {
        "chunks": chunks,
        "features": features.to_dict(),
        "seed": seed,
        "songs": sorted((s.split, s.key, s.singer, list(s.stems)) for s in songs),
    }
    return json.dumps(plan, sort_keys=True, ensure_ascii=False)


def _claim(folder, plan):
    """Mark the folder as this plan's, or refuse one that holds another's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error}") from error
    digest = hashlib.sha256(plan.encode()).hexdigest()
    mark = folder / "plan.sha256"
    if mark.exists():
        if mark.read_text().strip() != digest:
            raise UserError(
                f"{folder} holds records of other songs or settings; give another folder "
                "or delete this one"
            )
    elif any(folder.glob("*.tfrecord")):
        raise UserError(f"{folder} holds records of unknown origin; give another folder")
    else:
        write_atomically(mark, lambda path: Path(path).write_text(digest + "\n"))


def _stem_file(decoded, song, stem):
    digest = hashlib.sha256(f"{song.key}/{stem}".encode()).hexdigest()[:20]
    return decoded / f"{digest}.npy"


def _decode_stem(job):
    song, stem, decoded, sample_rate = job
    path = _stem_file(decoded, song, stem)
    segments_path = path.with_suffix(".segments.npy")
    if segments_path.exists():
        return
    audio = song.load(stem, sample_rate)
    segments = sounding_segments(audio, sample_rate)
    write_atomically(path, lambda p: np.save(p, audio))
    write_atomically(segments_path, lambda p: np.save(p, segments))


@functools.lru_cache(maxsize=1)
def _mixer(decoded, songs, samples):
    stems = {name: [] for name in STEM_NAMES}
    for song in songs:
        for name in song.stems:
            path = _stem_file(decoded, song, name)
            audio = np.load(path, mmap_mode="r")
            stems[name].append((song, audio, np.load(path.with_suffix(".segments.npy"))))
    backing = {song.key: audio for song, audio, _ in stems["accompaniment"]}
    return Mixer(
        true=Pool([stem for stem in stems["vocals"] if stem[0].key in backing]),
        accompaniment_of=backing,
        vocals=Pool(stems["vocals"]),
        accompaniments=Pool(stems["accompaniment"]),
        samples=samples,
    )


def excerpt_chunks(excerpt, features):
    """The chunks of one excerpt.

    Args:
        excerpt: `Excerpt` of `excerpt_samples(features)` samples.
        features: `FeatureConfig`.

    Returns:
        float32 [chunks, 3, chunk_frames, n_mels] in dB, streams in the order
        of `STREAMS`. The frames at the excerpt's ends, which the STFT fills
        up with zeros, are left out.
    """
    from vocaltrack.features import waveform_to_log_mel

    mixture = excerpt.vocals + excerpt.accompaniment
    waves = np.stack([mixture, excerpt.vocals, excerpt.accompaniment])
    frames = waveform_to_log_mel(waves, features).numpy()
    margin = _margin_frames(features)
    size = features.chunk_frames
    frames = frames[:, margin : margin + CHUNKS_PER_EXCERPT * size]
    frames = frames.reshape(len(STREAMS), CHUNKS_PER_EXCERPT, size, features.n_mels)
    return frames.transpose(1, 0, 2, 3)


def _margin_frames(features):
    return -(-features.n_fft // 2 // features.hop_length)


def excerpt_samples(features):
    """Length of an excerpt: four chunks and a margin at both ends."""
    frames = CHUNKS_PER_EXCERPT * features.chunk_frames + 2 * _margin_frames(features)
    return frames * features.hop_length


def write_shard(shard):
    """Write one shard unless it is there; return its chunks of each kind."""
    import tensorflow as tf

    counts_path = shard.path.with_suffix(".json")
    if shard.path.exists() and counts_path.exists():
        return json.loads(counts_path.read_text())
    tf.config.threading.set_intra_op_parallelism_threads(1)
    mixer = _mixer(shard.decoded, shard.songs, excerpt_samples(shard.features))
    split_number = int(hashlib.sha256(shard.split.encode()).hexdigest()[:8], 16)
    counts = dict.fromkeys(KINDS, 0)

    def write(path):
        with tf.io.TFRecordWriter(path) as writer:
            for number in range(shard.start, shard.start + shard.count):
                excerpt = mixer.draw((shard.seed, split_number, number))
                for chunk in excerpt_chunks(excerpt, shard.features):
                    writer.write(encode_chunk(chunk, excerpt.kind))
                    counts[excerpt.kind] += 1

    write_atomically(shard.path, write)
    write_atomically(counts_path, lambda p: Path(p).write_text(json.dumps(counts)))
    return counts


def _manifest(songs, shards, kinds, features, seed):
    listed, counts, keys = {}, {}, {}
    for shard, kind in zip(shards, kinds):
        entry = {
            "file": shard.path.name,
            "records": shard.count * CHUNKS_PER_EXCERPT,
            "bytes": shard.path.stat().st_size,
        }
        listed.setdefault(shard.split, []).append(entry)
        total = counts.setdefault(shard.split, dict.fromkeys(KINDS, 0))
        for name, number in kind.items():
            total[name] += number
        keys[shard.split] = sorted(song.key for song in shard.songs)
    mean, std = _statistics([s.path for s in shards if s.split == "train"], features)
    return Manifest(features, mean, std, listed, keys, counts, seed)


def _statistics(paths, features):
    """Mean and standard deviation of each mel band of the mixtures in dB."""
    import tensorflow as tf

    from vocaltrack.records import parse_chunks

    count, total, squares = 0, np.zeros(features.n_mels), np.zeros(features.n_mels)
    for batch in tf.data.TFRecordDataset([str(p) for p in paths[:STATISTICS_SHARDS]]).batch(256):
        frames = parse_chunks(batch, features)["mixture"].numpy().astype(np.float64)
        count += frames.shape[0] * frames.shape[1]
        total += frames.sum(axis=(0, 1))
        squares += np.square(frames).sum(axis=(0, 1))
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-2))
    return tuple(map(float, mean)), tuple(map(float, std))
