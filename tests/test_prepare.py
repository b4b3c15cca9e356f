"""Preparation end to end on small stems: the same bytes for the same seed, resumable."""

import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import os
import shutil
from collections import Counter
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.librosa_features import librosa_log_mel
from tests.sounds import names, refusal
from vocaltrack import plan
from vocaltrack import prepare as preparation
from vocaltrack.augmentation import SPEED_SEMITONES
from vocaltrack.config import STREAMS, FeatureConfig
from vocaltrack.datasets import read_stems
from vocaltrack.errors import UserError
from vocaltrack.locks import alone_in
from vocaltrack.mixing import KINDS, Mixer, MixtureConfig
from vocaltrack.pipeline import batches
from vocaltrack.pool import Pool, sounding_segments
from vocaltrack.prepare import DECODED, prepare
from vocaltrack.records import MANIFEST, Manifest, encode_chunk, parse_chunks
from vocaltrack.shards import Shard, decode_song, excerpt_samples, write_shard
from vocaltrack.silence import as_heard
from vocaltrack.workers import process_pool

FEATURES = FeatureConfig(sample_rate=8000, n_fft=256, hop_length=64, n_mels=32, chunk_frames=16)
CHUNKS = {"train": 22, "valid": 12}  # 22 are rounded up to 24
EXCERPTS_PER_SHARD = 4
TONES = {  # Hz of (vocals, accompaniment)
    "train": {"a": (500, 1200), "b": (700, 1500), "music": (None, 1300)},
    "valid": {"c": (2300, 3300), "solo": (2600, None), "music2": (None, 3100)},
}
SHARD_NAMES = [
    "train-00000-of-00002.tfrecord",
    "train-00001-of-00002.tfrecord",
    "valid-00000-of-00001.tfrecord",
]


@pytest.fixture(scope="module", autouse=True)
def small_shards_and_shared_workers():
    """One real worker process for all tests: each takes seconds to import TensorFlow."""
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr(preparation, "EXCERPTS_PER_SHARD", EXCERPTS_PER_SHARD)
        pool = functools.cache(lambda: stack.enter_context(process_pool(1)))
        patch.setattr(preparation, "process_pool", lambda workers: contextlib.nullcontext(pool()))
        yield


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Stems of a tone that swells, with a little noise; 3 s at 16 kHz."""
    root, rng = tmp_path_factory.mktemp("data") / "stems", np.random.default_rng(0)
    time = np.arange(3 * 16000) / 16000
    for split, tones in TONES.items():
        for name, pair in tones.items():
            (root / split / name).mkdir(parents=True)
            for stem, hertz in zip(("vocals", "accompaniment"), pair):
                if hertz:
                    swell = 0.2 + 0.1 * np.sin(2 * np.pi * 1.3 * time)
                    audio = swell * np.sin(2 * np.pi * hertz * time)
                    audio += rng.normal(0, 3e-4, len(time))
                    soundfile.write(root / split / name / f"{stem}.wav", audio, 16000)
    return read_stems(root)


@pytest.fixture(scope="module")
def prepared(songs, tmp_path_factory):
    """(manifest, folder) of the first preparation."""
    folder = tmp_path_factory.mktemp("records") / "deep" / "first"
    return prepare(songs, folder, CHUNKS, FEATURES, seed=5, workers=1), folder


@pytest.fixture(scope="module")
def chunks(prepared):
    """{split: (streams [chunks, 3, frames, mels], kinds)} as the shards hold them."""
    manifest, folder = prepared
    read = {}
    for split in CHUNKS:
        records = list(tf.data.TFRecordDataset(manifest.paths(folder, split)).as_numpy_iterator())
        parsed = parse_chunks(tf.constant(records), FEATURES)
        examples = [tf.train.Example.FromString(record) for record in records]
        kinds = [e.features.feature["kind"].bytes_list.value[0].decode() for e in examples]
        read[split] = np.stack([parsed[name] for name in STREAMS], axis=1), kinds
    return read


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.tfrecord")}


def draws(songs, split, seed, count):
    """The excerpts that a split's shards were made of, drawn here."""
    chosen = [song for song in songs if song.split == split]
    stems = {"vocals": [], "accompaniment": []}
    for song in chosen:
        for stem, audio in song.load(FEATURES.sample_rate).items():
            stems[stem].append((song, audio, sounding_segments(audio, FEATURES.sample_rate)))
    backing = {song.key: audio for song, audio, _ in stems["accompaniment"]}
    true = [stem for stem in stems["vocals"] if stem[0].key in backing]
    pools = Pool(true), backing, Pool(stems["vocals"]), Pool(stems["accompaniment"])
    samples, rate = excerpt_samples(FEATURES), FEATURES.sample_rate
    mixer = Mixer(*pools, samples, rate, MixtureConfig(), augment=split == "train")
    number = int(hashlib.sha256(split.encode()).hexdigest()[:8], 16)
    return [mixer.draw((seed, number, index)) for index in range(count)]


def test_manifest(prepared, chunks):
    manifest, folder = prepared
    assert Manifest.load(folder) == manifest
    assert (manifest.features, manifest.seed) == (FEATURES, 5)
    listed = [shard["file"] for split in CHUNKS for shard in manifest.shards[split]]
    assert listed == SHARD_NAMES
    assert [shard["records"] for shard in manifest.shards["train"]] == [16, 8]
    assert (manifest.records("train"), manifest.records("valid")) == (24, 12)
    assert manifest.songs == {
        "train": ["stems/a", "stems/b", "stems/music"],
        "valid": ["stems/c", "stems/music2", "stems/solo"],
    }
    for split, (streams, kinds) in chunks.items():
        assert streams.shape == (manifest.records(split), 3, 16, 32)
        counted = Counter(kinds)
        assert manifest.counts[split] == {kind: counted[kind] for kind in KINDS}
        assert kinds == [kind for kind in kinds[::4] for _ in range(4)]


def test_folder_holds_nothing_else(prepared):
    names = {path.name for path in prepared[1].iterdir()}
    counts = {name.replace(".tfrecord", ".json") for name in SHARD_NAMES}
    assert names == {MANIFEST, "plan.sha256", *SHARD_NAMES, *counts}


def test_chunks_are_the_features_of_the_excerpts(songs, prepared, chunks):
    for split, count in (("train", 6), ("valid", 3)):
        streams, kinds = chunks[split]
        margin = FEATURES.n_fft // 2 // FEATURES.hop_length
        for index, excerpt in enumerate(draws(songs, split, 5, count)):
            mixture = excerpt.vocals + excerpt.accompaniment
            for number, audio in enumerate((mixture, excerpt.vocals, excerpt.accompaniment)):
                frames = librosa_log_mel(audio, FEATURES)[margin : margin + 64]
                stored = streams[4 * index : 4 * index + 4, number].reshape(64, 32)
                assert np.abs(stored - frames).max() < 0.05
            assert set(kinds[4 * index : 4 * index + 4]) == {excerpt.kind}


def test_no_song_of_one_split_sounds_in_another(chunks):
    """Each stem's loudest mel band is that of a tone of the split's own songs,
    in training up to 6 semitones away."""

    def band(hertz):
        tone = np.sin(2 * np.pi * hertz * np.arange(8000) / 8000)
        return librosa_log_mel(tone, FEATURES).mean(axis=0).argmax()

    for split, (streams, kinds) in chunks.items():
        for index, stem in ((1, 0), (2, 1)):
            sung = [n for n, kind in enumerate(kinds) if stem or kind != "instrumental"]
            loudest = set(streams[sung, index].mean(axis=1).argmax(axis=-1))
            tones = [pair[stem] for pair in TONES[split].values() if pair[stem]]
            reach = 2 ** (SPEED_SEMITONES / 12) if split == "train" else 1
            own = {n for t in tones for n in range(band(t / reach), band(t * reach) + 1)}
            assert loudest and loudest <= own
            assert len(loudest) > len(tones) or split == "valid"


def test_statistics(prepared, chunks):
    manifest, _ = prepared
    heard = np.asarray(as_heard(chunks["train"][0][:, 0], FEATURES), np.float64)
    frames = heard.reshape(-1, 32)
    np.testing.assert_allclose(manifest.mean, frames.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(manifest.std, frames.std(axis=0), atol=1e-5)
    assert min(manifest.std) > 1


def test_bands_that_never_change_deviate_by_a_tenth_of_a_db(tmp_path):
    """As those of records of silence alone."""
    silence = np.full((3, FEATURES.chunk_frames, FEATURES.n_mels), FEATURES.floor_db)
    with tf.io.TFRecordWriter(str(tmp_path / "silent.tfrecord")) as writer:
        writer.write(encode_chunk(silence, "true"))
    mean, std = preparation._statistics([tmp_path / "silent.tfrecord"], FEATURES)
    assert mean == pytest.approx([FEATURES.floor_db] * FEATURES.n_mels)
    assert std == pytest.approx([0.1] * FEATURES.n_mels)


def test_bands_that_all_songs_lack_are_heard_near_the_mean(tmp_path):
    """The networks hear noise there, which is 100 dB above what is recorded."""
    rng = np.random.default_rng(0)
    (tmp_path / "stems" / "train" / "song").mkdir(parents=True)
    for stem in ("vocals", "accompaniment"):
        path = tmp_path / "stems" / "train" / "song" / f"{stem}.wav"
        soundfile.write(path, rng.normal(0, 0.1, 3 * 4000), 4000)
    chunks = {"train": 16}
    manifest = prepare(read_stems(tmp_path / "stems"), tmp_path / "records", chunks, FEATURES)
    (recorded,) = (b["mixture"] for b in batches(manifest, tmp_path / "records", "train", 16))
    assert np.median(recorded[..., -8:]) == FEATURES.floor_db
    normalised = (as_heard(recorded, FEATURES) - np.array(manifest.mean)) / manifest.std
    assert np.abs(normalised).max() < 10


def test_pipeline_reads_what_was_prepared(prepared, chunks):
    read = [batch["mixture"] for batch in batches(*prepared, "train", batch_size=8)]
    np.testing.assert_array_equal(np.concatenate(read), chunks["train"][0][:, 0])


def test_same_seed_same_bytes(songs, prepared, tmp_path):
    """In whatever order the songs are given."""
    manifest = prepare(songs[::-1], tmp_path, CHUNKS, FEATURES, seed=5)
    assert manifest == prepared[0]
    assert sorted(hashes(tmp_path)) == SHARD_NAMES
    assert hashes(tmp_path) == hashes(prepared[1])
    assert (tmp_path / MANIFEST).read_bytes() == (prepared[1] / MANIFEST).read_bytes()


def test_other_seed_other_bytes(songs, prepared, tmp_path):
    manifest = prepare(songs, tmp_path, CHUNKS | {"test": 0}, FEATURES, seed=6)
    assert sorted(hashes(tmp_path)) == SHARD_NAMES
    assert not set(hashes(tmp_path).values()) & set(hashes(prepared[1]).values())
    assert "test" not in manifest.shards


def test_an_interrupted_preparation_goes_on(songs, prepared, tmp_path):
    folder = tmp_path / "resumed"
    shutil.copytree(prepared[1], folder)
    (folder / MANIFEST).unlink()
    (folder / SHARD_NAMES[1]).unlink()
    (folder / DECODED).mkdir()  # which a kill leaves there
    decode_song(songs[0], folder / DECODED, FEATURES.sample_rate)
    kept = (SHARD_NAMES[0], SHARD_NAMES[2])
    before = {name: (folder / name).stat() for name in kept}
    manifest = prepare(songs, folder, CHUNKS, FEATURES, seed=5)
    after = {name: (folder / name).stat() for name in kept}
    for name in kept:
        assert after[name].st_mtime_ns == before[name].st_mtime_ns
        assert after[name].st_ino == before[name].st_ino
    assert manifest == prepared[0]
    assert hashes(folder) == hashes(prepared[1])
    assert {p.name for p in folder.iterdir()} == {p.name for p in prepared[1].iterdir()}


@pytest.mark.parametrize("change", ["seed", "chunks", "features", "mixtures", "songs"])
def test_other_settings_in_the_same_folder_are_refused(songs, prepared, change):
    given = {"songs": songs, "chunks": CHUNKS, "features": FEATURES, "seed": 5}
    other = {
        "songs": songs[1:],
        "chunks": CHUNKS | {"train": 28},
        "features": FeatureConfig(),
        "mixtures": MixtureConfig(balance_db=(0.0, 0.0)),
        "seed": 6,
    }
    before = hashes(prepared[1])
    with pytest.raises(UserError, match="holds records of other songs or settings"):
        prepare(folder=prepared[1], **given | {change: other[change]})
    assert hashes(prepared[1]) == before


@pytest.mark.parametrize(
    "constant",
    [
        "augmentation.SPEED_SEMITONES",
        "augmentation.DRUMS_FRAMES",
        "formants.PREDICTORS",
        "passages.SOFT_DB",
        "mixing.SECOND_DB",
        "pool.GAP_SECONDS",
    ],
)
def test_records_mixed_in_another_way_are_not_added_to(songs, prepared, monkeypatch, constant):
    module, name = constant.split(".")
    monkeypatch.setattr(getattr(plan, module), name, 1)
    with pytest.raises(UserError, match="or of another version of vocaltrack"):
        prepare(songs, prepared[1], CHUNKS, FEATURES, seed=5)


@pytest.mark.parametrize("content", ["", '{"bytes": 1'])
def test_a_damaged_note_of_a_shard_is_written_anew(songs, prepared, tmp_path, content):
    folder = tmp_path / "records"
    shutil.copytree(prepared[1], folder)
    (folder / MANIFEST).unlink()
    (folder / SHARD_NAMES[1]).with_suffix(".json").write_text(content)
    assert prepare(songs, folder, CHUNKS, FEATURES, seed=5) == prepared[0]
    assert hashes(folder) == hashes(prepared[1])


def test_the_mixtures_are_those_asked_for(songs, tmp_path):
    mixtures = MixtureConfig(kind_shares=(0.0, 1.0, 0.0))
    manifest = prepare(songs, tmp_path, {"train": 16}, FEATURES, mixtures=mixtures)
    assert manifest.counts["train"] == {"true": 0, "amalgamation": 16, "instrumental": 0}


def test_another_sample_in_a_recording_is_noticed(songs, prepared, tmp_path):
    source = songs[0].clips[0].vocals[0].path
    root = shutil.copytree(source.parents[2], tmp_path / source.parents[2].name)
    folder = shutil.copytree(prepared[1], tmp_path / "records")
    copied = read_stems(root)
    assert prepare(copied, folder, CHUNKS, FEATURES, seed=5) == prepared[0]
    path = copied[0].clips[0].vocals[0].path
    audio, rate = soundfile.read(path)
    audio[len(audio) // 3] *= -1
    soundfile.write(path, audio, rate)
    assert path.stat().st_size == source.stat().st_size
    with pytest.raises(UserError, match="holds records of other songs or settings"):
        prepare(copied, folder, CHUNKS, FEATURES, seed=5)


def test_only_what_an_earlier_call_left_behind_is_cleared_away(songs, prepared, tmp_path):
    folder = shutil.copytree(prepared[1], tmp_path / "records")
    (folder / ".vocaltrack-old.npy").touch()
    (folder / ".vocaltrack-export").mkdir()
    with pytest.raises(UserError, match="holds records of other songs or settings"):
        prepare(songs, folder, CHUNKS, FEATURES, seed=6)
    assert (folder / ".vocaltrack-old.npy").exists()
    assert prepare(songs, folder, CHUNKS, FEATURES, seed=5) == prepared[0]
    assert not (folder / ".vocaltrack-old.npy").exists()


def test_two_calls_at_once_are_refused(songs, prepared):
    with (
        alone_in(prepared[1]),
        pytest.raises(UserError, match="another process works in"),
    ):
        prepare(songs, prepared[1], CHUNKS, FEATURES, seed=5)


@pytest.mark.parametrize("is_windows", [True, False])
def test_a_system_or_a_file_system_without_locks_is_done_without_them(
    tmp_path, monkeypatch, is_windows
):
    flock = Mock(side_effect=OSError(errno.ENOLCK, "No locks available"))
    locks = None if is_windows else SimpleNamespace(flock=flock, LOCK_EX=2, LOCK_NB=4)
    monkeypatch.setattr("vocaltrack.locks.fcntl", locks)
    with alone_in(tmp_path):
        (tmp_path / "done").touch()
    assert (tmp_path / "done").exists()


def test_a_song_in_two_splits_is_refused(songs, tmp_path):
    song = next(song for song in songs if song.split == "train")
    twice = [*songs, dataclasses.replace(song, split="valid")]
    with pytest.raises(UserError, match=song.key):
        prepare(twice, tmp_path / "records", CHUNKS, FEATURES)
    assert not (tmp_path / "records").exists()


def test_a_process_that_dies_is_one_line_that_says_what_to_do(songs, tmp_path, monkeypatch):
    asked, future = [], Future()
    future.set_exception(BrokenProcessPool("terminated abruptly"))

    def dying(workers):
        asked.append(workers)
        return contextlib.nullcontext(SimpleNamespace(submit=lambda *call: future))

    monkeypatch.setattr(preparation, "process_pool", dying)
    with pytest.raises(UserError, match="a process died while decoding, .* with fewer --jobs"):
        prepare(songs, tmp_path, CHUNKS, FEATURES, workers=7)
    assert asked == [7]


def test_stems_that_another_preparation_decoded_are_decoded_anew(songs, prepared, tmp_path):
    """They may be of another rate; their names do not tell."""
    (tmp_path / DECODED).mkdir()
    decode_song(songs[0], tmp_path / DECODED, 16000)
    assert prepare(songs, tmp_path, CHUNKS, FEATURES, seed=5) == prepared[0]
    assert hashes(tmp_path) == hashes(prepared[1])


def test_a_shard_for_which_there_is_no_room_is_one_line(songs, tmp_path, monkeypatch):
    full = tf.errors.ResourceExhaustedError(None, None, "No space left on device")
    decode_song(songs[0], tmp_path, 8000)
    monkeypatch.setattr(tf.io, "TFRecordWriter", Mock(side_effect=full))
    path = tmp_path / "train-00000-of-00001.tfrecord"
    place = path, tmp_path, (songs[0],), "train", 0, 1
    with pytest.raises(UserError, match=f"^{path} cannot be written: No space left on device"):
        write_shard(Shard(*place, FEATURES, MixtureConfig(), 0))
    assert not list(tmp_path.glob("*.tfrecord"))


@pytest.mark.parametrize("file", ["run.json", "assets/contract.json"])
def test_records_are_not_put_into_a_run_or_a_savedmodel(songs, tmp_path, file):
    """Which could not go on, or would delete them when it is exported again."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    what = "a run" if file == "run.json" else "a SavedModel"
    refusal(lambda: prepare(songs, tmp_path, CHUNKS), f"{tmp_path} holds {what}; give another")
    assert names(tmp_path) == [file.split("/")[0]]


def test_refusals_before_any_work(songs, tmp_path):
    with pytest.raises(UserError, match="no train chunks"):
        prepare(songs, tmp_path / "a", {"valid": 4}, FEATURES)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file cannot be made"):
        prepare(songs, tmp_path / "file", CHUNKS, FEATURES)
    (tmp_path / "x.tfrecord").touch()
    with pytest.raises(UserError, match="records of other songs"):
        prepare(songs, tmp_path, CHUNKS, FEATURES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "x.tfrecord"]


def test_a_split_without_songs_is_refused(songs, tmp_path):
    with pytest.raises(UserError, match="no songs in the split test"):
        prepare(songs, tmp_path, CHUNKS | {"test": 4}, FEATURES)


@pytest.mark.parametrize("silent", ["train", "valid"])
def test_a_split_in_which_nobody_sings_is_warned_of(songs, tmp_path, capfd, silent):
    """By its songs: a few chunks may all be of music alone."""

    def warnings(of):
        prepare(of, tmp_path / str(len(of)), {"train": 4, "valid": 4}, FEATURES)
        return [line for line in capfd.readouterr().err.splitlines() if "warning" in line]

    music = [song for song in songs if song.split != silent or "vocals" not in song.stems]
    assert warnings(songs) == []
    (warning,) = warnings(music)
    assert warning.startswith(f"warning: nobody sings in the split {silent}")


def test_a_stem_that_is_no_ordinary_file_is_not_waited_for(tmp_path):
    (tmp_path / "train" / "song").mkdir(parents=True)
    os.mkfifo(tmp_path / "train" / "song" / "vocals.wav")
    soundfile.write(tmp_path / "train" / "song" / "accompaniment.wav", np.ones(9), 16000)
    with pytest.raises(UserError, match=r"vocals\.wav is no ordinary file"):
        prepare(read_stems(tmp_path), tmp_path / "records", {"train": 4}, FEATURES)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\1\0", None])
@pytest.mark.parametrize("segments", [True, False])
def test_a_decoded_stem_that_is_not_whole_is_decoded_again(songs, tmp_path, damage, segments):
    decode_song(songs[0], tmp_path, 8000)
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(whole) == 4
    path = next(p for p in whole if p.name.endswith(".segments.npy") == segments)
    path.unlink() if damage is None else path.write_bytes(damage)
    assert decode_song(songs[0], tmp_path, 8000) == (24000, ())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == whole


def test_songs_of_one_name_in_two_datasets_are_decoded_apart(songs, tmp_path):
    for song in (songs[0], dataclasses.replace(songs[0], dataset="other")):
        decode_song(song, tmp_path, 8000)
    assert len(list(tmp_path.iterdir())) == 8  # of two stems each, and where these sound


def test_a_mark_that_is_no_text_is_another_plan_s(songs, prepared, tmp_path):
    folder = shutil.copytree(prepared[1], tmp_path / "records")
    (folder / "plan.sha256").write_bytes(b"\xff\xfe\0")
    with pytest.raises(UserError, match="holds records of other songs"):
        prepare(songs, folder, CHUNKS, FEATURES, seed=5)


def test_an_unreadable_stem_is_named(tmp_path):
    (tmp_path / "train" / "song").mkdir(parents=True)
    (tmp_path / "train" / "song" / "accompaniment.wav").write_text("no audio")
    with pytest.raises(UserError, match=r"song/accompaniment\.wav cannot be read as audio"):
        prepare(read_stems(tmp_path), tmp_path / "records", {"train": 4}, FEATURES)
    assert not (tmp_path / "records" / MANIFEST).exists()


def test_songs_of_a_split_that_is_not_mixed_are_not_read(songs, prepared, tmp_path):
    source = songs[0].clips[0].vocals[0].path.parents[2]
    root = shutil.copytree(source, tmp_path / source.name)
    (root / "test" / "song").mkdir(parents=True)
    (root / "test" / "song" / "accompaniment.wav").write_text("no audio")
    with_test = prepare(read_stems(root), tmp_path / "records", CHUNKS, FEATURES, seed=5)
    assert with_test == prepared[0]
    assert hashes(tmp_path / "records") == hashes(prepared[1])


def test_a_song_whose_accompaniment_is_silent_is_no_true_mixture(tmp_path, capfd):
    """There would be nothing to separate."""
    tone = 0.1 * np.sin(np.arange(24000))
    for name, music in (("sung", 0 * tone), ("both", tone)):
        (tmp_path / "train" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "train" / name / "vocals.wav", tone, 8000)
        soundfile.write(tmp_path / "train" / name / "accompaniment.wav", music, 8000)
    songs = {song.name: song for song in read_stems(tmp_path)}
    with pytest.raises(UserError, match="no accompaniment that sounds"):
        prepare([songs["sung"]], tmp_path / "alone", {"train": 4}, FEATURES)
    assert "silent, and so left out: the accompaniment of" in capfd.readouterr().err
    only_true = MixtureConfig(kind_shares=(1.0, 0.0, 0.0))
    prepare(list(songs.values()), tmp_path / "r", {"train": 32}, FEATURES, mixtures=only_true)
    records = tf.data.TFRecordDataset([str(p) for p in (tmp_path / "r").glob("*.tfrecord")])
    parsed = parse_chunks(tf.constant(list(records.as_numpy_iterator())), FEATURES)
    sounding = parsed["accompaniment"].numpy().max(axis=(1, 2)) > FEATURES.floor_db + 20
    assert np.mean(sounding) > 0.8  # but for gaps and soft passages; half, if both songs count


def test_songs_that_silence_must_fill_up_are_told(tmp_path, capfd):
    samples = excerpt_samples(FEATURES)
    noise = np.random.default_rng(0).normal(0, 0.1, samples)
    for name, cut in (("whole", 0), ("short-1", 1), ("short-2", 99)):
        (tmp_path / "train" / name).mkdir(parents=True)
        path = tmp_path / "train" / name / "accompaniment.wav"
        soundfile.write(path, noise[cut:], FEATURES.sample_rate)
    for _ in range(2):  # when the stems are decoded, and when they lie there
        prepare(read_stems(tmp_path), tmp_path / "records", {"train": 4}, FEATURES)
        (tmp_path / "records" / MANIFEST).unlink()
        assert f"an excerpt, which silence fills up: {tmp_path.name}/short-1 and 1 more\n" in (
            capfd.readouterr().err
        )


def test_shard_counts_are_kept_beside_the_shard(prepared):
    manifest, folder = prepared
    totals = Counter()
    for name in SHARD_NAMES[:2]:
        made = json.loads((folder / name.replace(".tfrecord", ".json")).read_text())
        assert made["bytes"] == (folder / name).stat().st_size
        totals += Counter(made["kinds"])
    assert {kind: totals[kind] for kind in KINDS} == manifest.counts["train"]


def test_a_complete_folder_is_left_as_it_is_but_for_stems_that_a_kill_left(
    songs, prepared, monkeypatch
):
    manifest, folder = prepared
    (folder / DECODED).mkdir()
    (folder / DECODED / "stem.npy").touch()
    monkeypatch.setattr(preparation, "process_pool", None)
    assert prepare(songs[::-1], folder, CHUNKS, FEATURES, seed=5) == manifest
    assert not (folder / DECODED).exists()


def test_a_truncated_shard_is_restored(songs, prepared, tmp_path):
    folder = shutil.copytree(prepared[1], tmp_path / "records")
    shard = folder / SHARD_NAMES[1]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-100])
    prepare(songs, folder, CHUNKS, FEATURES, seed=5, workers=1)
    assert shard.read_bytes() == whole
    # One of the right size, but damaged, is named.
    shard.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    (folder / MANIFEST).unlink()
    with pytest.raises(UserError, match=f"{shard.name} is corrupt; delete it"):
        prepare(songs, folder, CHUNKS, FEATURES, seed=5, workers=1)
