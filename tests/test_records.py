"""Records and their manifest: equal after a round trip, refused when damaged."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from vocaltrack.config import STREAMS, FeatureConfig
from vocaltrack.errors import UserError
from vocaltrack.records import MANIFEST, SCHEMA, Manifest, encode_chunk, parse_chunks

FEATURES = FeatureConfig(n_fft=256, hop_length=64, n_mels=4, chunk_frames=8)


def streams(seed):
    return np.random.default_rng(seed).uniform(-70, 45, (3, 8, 4)).astype(np.float32)


@pytest.fixture
def manifest(tmp_path):
    """A manifest saved beside the shards that it lists."""
    sizes = {"train-0": 100, "train-1": 80, "valid-0": 60}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    entries = [{"file": n, "records": s // 20, "bytes": s} for n, s in sizes.items()]
    made = Manifest(
        features=FEATURES,
        mean=(-30.1, -20.0, -10.5, 1 / 3),
        std=(10.0, 11.0, 12.0, 13.0),
        shards={"train": entries[:2], "valid": entries[2:], "test": []},
        songs={"train": ["d/å", "d/b"], "valid": ["d/c"]},
        counts={"train": {"true": 9}, "valid": {"true": 3}},
        seed=7,
    )
    made.save(tmp_path)
    return made


def test_chunks_come_back_within_float16():
    given = np.stack([streams(seed) for seed in range(5)])
    kinds = ["true", "amalgamation", "instrumental", "true", "true"]
    encoded = [encode_chunk(chunk, kind) for chunk, kind in zip(given, kinds)]
    parsed = parse_chunks(tf.constant(encoded), FEATURES)
    assert set(parsed) == {*STREAMS, "kind"}
    assert [kind.decode() for kind in parsed["kind"].numpy()] == kinds
    for index, name in enumerate(STREAMS):
        assert parsed[name].dtype == tf.float32
        expected = given[:, index]
        np.testing.assert_array_equal(parsed[name], expected.astype(np.float16))
        assert np.abs(parsed[name] - expected).max() <= 64 * 2**-11


def test_encoding_is_deterministic():
    encoded = encode_chunk(streams(0), "amalgamation")
    assert encoded == encode_chunk(streams(0), "amalgamation")
    assert encoded == encode_chunk(np.asfortranarray(streams(0)), "amalgamation")
    feature = tf.train.Example.FromString(encoded).features.feature
    assert {len(feature[name].bytes_list.value[0]) for name in STREAMS} == {8 * 4 * 2}


def test_manifest_comes_back_equal(manifest, tmp_path):
    loaded = Manifest.load(tmp_path)
    assert loaded == manifest
    assert (loaded.schema, loaded.features) == (SCHEMA, FEATURES)
    assert loaded.paths(tmp_path, "train") == [str(tmp_path / f"train-{n}") for n in (0, 1)]
    assert (loaded.records("train"), loaded.records("valid"), loaded.records("test")) == (9, 3, 0)


def edited(folder, **changes):
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_missing_manifest(tmp_path):
    with pytest.raises(UserError, match=r"holds no manifest\.json; make the records"):
        Manifest.load(tmp_path)


def test_other_schema(manifest, tmp_path):
    edited(tmp_path, schema=SCHEMA + 1)
    with pytest.raises(UserError, match=rf"of schema {SCHEMA + 1}, this version reads .*{SCHEMA}"):
        Manifest.load(tmp_path)


def test_damaged_manifests(manifest, tmp_path):
    edited(tmp_path, unheard_of=1)
    with pytest.raises(UserError, match=f"^{tmp_path / MANIFEST} is damaged"):
        Manifest.load(tmp_path)
    manifest.save(tmp_path)
    features = dataclasses.asdict(FEATURES)
    del features["n_mels"]
    edited(tmp_path, features=features)
    with pytest.raises(UserError, match="missing or unknown: n_mels"):
        Manifest.load(tmp_path)
    for number in ("256", 256.0, None):
        edited(tmp_path, features=dataclasses.asdict(FEATURES) | {"n_fft": number})
        with pytest.raises(UserError, match=f"feature setting n_fft is {number!r}"):
            Manifest.load(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(UserError, match="cannot read the manifest"):
        Manifest.load(tmp_path)
    shard = {"file": "train-0", "bytes": 100}
    for change in (
        *({"shards": shards} for shards in ([], None, {"train": None}, {"train": ["x"]})),
        *({"shards": {"train": [entry]}} for entry in ({}, shard, shard | {"records": "5"})),
        *({"songs": songs} for songs in ([], {}, {"train": 3})),
        *({"mean": mean} for mean in ([1.0], [None] * 4, ["a"] * 4, [float("nan")] * 4)),
        {"std": [1.0, 1.0, 0.0, 1.0]},
    ):
        manifest.save(tmp_path)
        edited(tmp_path, **change)
        with pytest.raises(UserError, match="is damaged"):
            Manifest.load(tmp_path)


def test_missing_shard(manifest, tmp_path):
    (tmp_path / "train-1").unlink()
    with pytest.raises(UserError, match="train-1 is missing"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("size", [59, 61])
def test_a_shard_that_is_shorter_or_longer_than_it_was(manifest, tmp_path, size):
    (tmp_path / "valid-0").write_bytes(b"x" * size)
    with pytest.raises(UserError, match=f"valid-0 has {size} bytes instead of 60"):
        Manifest.load(tmp_path)


def test_missing_split(manifest, tmp_path):
    for split in ("test", "spare"):
        with pytest.raises(UserError, match=f"holds no records of the split {split}"):
            manifest.paths(tmp_path, split)
