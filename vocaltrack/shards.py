"""Stems to one TFRecord shard of mel chunks; any shard can be made alone."""

import contextlib
import dataclasses
import functools
import hashlib
from pathlib import Path

import numpy as np

from vocaltrack.config import STEM_NAMES, STREAMS, FeatureConfig
from vocaltrack.errors import UserError, one_line
from vocaltrack.files import write_atomically
from vocaltrack.jsonfiles import read_json, write_json
from vocaltrack.mixing import KINDS, Mixer, MixtureConfig
from vocaltrack.pool import Pool, sounding_segments
from vocaltrack.records import encode_chunk
from vocaltrack.tensorflow_loading import load_tensorflow

CHUNKS_PER_EXCERPT = 4


@dataclasses.dataclass(frozen=True)
class Shard:
    """One shard to write: excerpts `start` to `start + count` of a split.

    Attributes:
        path: the TFRecord file.
        decoded: folder of the decoded stems.
        songs: the split's songs.
        split: its name.
        start, count: numbers of the excerpts.
        features: `FeatureConfig`.
        mixtures: `MixtureConfig`.
        seed: every excerpt is drawn from (seed, split, its number).
    """

    path: Path
    decoded: Path
    songs: tuple
    split: str
    start: int
    count: int
    features: FeatureConfig
    mixtures: MixtureConfig
    seed: int

    @property
    def records(self):
        """Number of chunks."""
        return self.count * CHUNKS_PER_EXCERPT


def decode_song(song, decoded, sample_rate):
    """Decode a song's stems into the folder `decoded`, unless they are there.

    Args:
        song: `Song`.
        decoded: folder; gets the waveforms and the segments that sound.
        sample_rate: Hz.

    Returns:
        (samples, silent): the song's length, and the stems that do not sound.
    """
    try:
        stems = {stem: load_stem(decoded, song, stem) for stem in song.stems}
    except (OSError, ValueError, EOFError):  # not there, or not whole after a power cut
        stems = {}
        for stem, audio in song.load(sample_rate).items():
            stems[stem] = audio, sounding_segments(audio, sample_rate)
            path = _stem_file(decoded, song, stem)
            for name, values in zip((path, _segments_file(path)), stems[stem]):
                write_atomically(name, lambda p, v=values: np.save(p, v))
    silent = tuple(stem for stem, (_, segments) in stems.items() if not len(segments))
    return len(stems[song.stems[0]][0]), silent


def load_stem(decoded, song, name):
    """A stem that `decode_song` wrote: (audio, segments), the audio not yet in memory."""
    path = _stem_file(decoded, song, name)
    return np.load(path, mmap_mode="r"), np.load(_segments_file(path))


def write_shard(shard):
    """Write one shard, unless it is there whole.

    Args:
        shard: `Shard`.

    Returns:
        dict from kind of mixture to its number of chunks.

    Raises:
        UserError: the shard cannot be written.
    """
    load_tensorflow()
    import tensorflow as tf

    note = shard.path.with_suffix(".json")
    if shard.path.exists() and note.exists():
        with contextlib.suppress(UserError, KeyError):  # a note that is not whole
            made = read_json(note, "the note of a shard")
            if shard.path.stat().st_size == made["bytes"]:
                return made["kinds"]
    # Each process is one worker of several, so it must not take all cores, nor a GPU.
    with contextlib.suppress(RuntimeError):  # it has computed before
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.set_visible_devices([], "GPU")
    mixer = _mixer(
        shard.decoded, shard.songs, shard.features, shard.mixtures, shard.split == "train"
    )
    split_number = int(hashlib.sha256(shard.split.encode()).hexdigest()[:8], 16)
    kinds = dict.fromkeys(KINDS, 0)

    def write(path):
        try:
            with tf.io.TFRecordWriter(path) as writer:
                for number in range(shard.start, shard.start + shard.count):
                    excerpt = mixer.draw((shard.seed, split_number, number))
                    for chunk in excerpt_chunks(excerpt, shard.features):
                        writer.write(encode_chunk(chunk, excerpt.kind))
                        kinds[excerpt.kind] += 1
        except tf.errors.OpError as error:
            raise UserError(f"{shard.path} cannot be written: {one_line(error)}") from error

    write_atomically(shard.path, write)
    write_json(note, {"bytes": shard.path.stat().st_size, "kinds": kinds})
    return kinds


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
    margin = features.margin_frames
    size = features.chunk_frames
    frames = frames[:, margin : margin + CHUNKS_PER_EXCERPT * size]
    frames = frames.reshape(len(STREAMS), CHUNKS_PER_EXCERPT, size, features.n_mels)
    return frames.transpose(1, 0, 2, 3)


def excerpt_samples(features):
    """Length of an excerpt: four chunks and a margin at both ends."""
    frames = CHUNKS_PER_EXCERPT * features.chunk_frames + 2 * features.margin_frames
    return frames * features.hop_length


def _stem_file(decoded, song, stem):
    digest = hashlib.sha256(f"{song.key}/{stem}".encode()).hexdigest()[:20]
    return decoded / f"{digest}.npy"


def _segments_file(stem_file):
    return stem_file.with_suffix(".segments.npy")


@functools.lru_cache(maxsize=1)
def _mixer(decoded, songs, features, mixtures, augment):
    stems = {name: [] for name in STEM_NAMES}
    for song in songs:
        for name in song.stems:
            stems[name].append((song, *load_stem(decoded, song, name)))
    backing = {song.key: audio for song, audio, where in stems["accompaniment"] if len(where)}
    return Mixer(
        true=Pool([stem for stem in stems["vocals"] if stem[0].key in backing]),
        accompaniment_of=backing,
        vocals=Pool(stems["vocals"]),
        accompaniments=Pool(stems["accompaniment"]),
        samples=excerpt_samples(features),
        sample_rate=features.sample_rate,
        mixtures=mixtures,
        augment=augment,
    )
