"""k-means over a song with a made-up network, so that the right mask is known."""

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from sklearn.cluster import KMeans

from vocaltrack import clustering
from vocaltrack.chunks import song_mask, split_chunks
from vocaltrack.clustering import SongSample, binary_masks, fit_clusters, vocal_side
from vocaltrack.config import FeatureConfig
from vocaltrack.features import waveform_to_log_mel

CONFIG = FeatureConfig()
VOCALS_DB, ACCOMPANIMENT_DB = 10.0, -10.0


def song(frames=300):
    """(log_mel, the true mask): vocals in a region, accompaniment with all the bass."""
    rng = np.random.default_rng(0)
    truth = np.zeros((frames, 128), np.float32)
    truth[20 : frames // 2, 30:90] = 1.0
    truth[frames * 3 // 4 :, 12:60:3] = 1.0
    levels = np.where(truth == 1, VOCALS_DB, ACCOMPANIMENT_DB)
    return (levels + rng.uniform(-5.0, 5.0, truth.shape)).astype(np.float32), truth


def sample_of(log_mel, group=5):
    """A `SongSample` of a song that came in groups of so many chunks."""
    sample = SongSample(CONFIG)
    chunks = split_chunks(log_mel, CONFIG, 0.0).numpy()
    for start in range(0, len(chunks), group):
        sample.push(chunks[start : start + group])
    return sample


def cluster_mask(log_mel, embed, config, head=None, swap=False):
    """The vocals' mask of a whole song, as `Separator` computes it block by block."""
    side = vocal_side(sample_of(log_mel), embed, config, head, swap)
    return song_mask(log_mel, lambda chunks: binary_masks(embed(chunks), *side), config).numpy()


def embed(chunks):
    """Two orthogonal directions, told apart by the level."""
    directions = tf.constant([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]])
    return tf.gather(directions, tf.cast(chunks > 0, tf.int32))


def alike(chunks):
    return tf.ones([*chunks.shape, 3]) / 3**0.5


def nearly_alike(chunks):
    return tf.math.l2_normalize(tf.stack([tf.ones_like(chunks), chunks / 100.0], axis=-1), axis=-1)


def head_that_says(vocals, accompaniment):
    return lambda chunks: tf.where(chunks > 0, vocals, accompaniment)


@pytest.mark.parametrize("frames", (100, 128, 129, 300, 512))
def test_finds_the_vocals_by_the_bass_of_the_accompaniment(frames):
    log_mel, truth = song(frames)
    mask = cluster_mask(log_mel, embed, CONFIG)
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask, truth)


def test_the_bass_is_below_200_hz():
    """Eight bands; a vocal region that holds all of them is taken for the bass."""
    log_mel, truth = song()
    for bands, expected in ((slice(0, 8), 1 - truth), (slice(8, 16), truth)):
        levels, wanted = log_mel.copy(), expected.copy()
        levels[:, bands] = VOCALS_DB
        wanted[:, bands] = expected[60, 40]
        np.testing.assert_array_equal(cluster_mask(levels, embed, CONFIG), wanted)


@pytest.mark.parametrize("vocal_share", [0.3, 0.7])
def test_without_bass_the_larger_cluster_is_the_accompaniment(vocal_share):
    loud = np.arange(256)[:, np.newaxis] < 256 * vocal_share
    log_mel = np.where(loud, VOCALS_DB, ACCOMPANIMENT_DB) * np.ones((256, 128), np.float32)
    log_mel[:, :8] = CONFIG.floor_db
    mask = cluster_mask(log_mel.astype(np.float32), embed, CONFIG)
    np.testing.assert_array_equal(mask[:, 8:], (loud == (vocal_share < 0.5)) * np.ones((256, 120)))


@pytest.mark.parametrize(("vocals", "accompaniment"), ((0.9, 0.1), (0.41, 0.0), (0.95, 0.9)))
def test_finds_the_vocals_by_the_head(vocals, accompaniment):
    log_mel, truth = song()
    head = head_that_says(vocals, accompaniment)
    np.testing.assert_array_equal(cluster_mask(log_mel, embed, CONFIG, head), truth)


def test_the_head_counts_and_the_bass_does_not():
    log_mel, truth = song()
    mask = cluster_mask(log_mel, embed, CONFIG, head_that_says(0.2, 0.7))
    np.testing.assert_array_equal(mask, 1 - truth)


@pytest.mark.parametrize("head", (None, head_that_says(0.9, 0.1)))
def test_swap(head):
    log_mel, truth = song()
    np.testing.assert_array_equal(cluster_mask(log_mel, embed, CONFIG, head, swap=True), 1 - truth)


def test_swap_in_silence():
    silence = np.full((200, CONFIG.n_mels), CONFIG.floor_db, np.float32)
    assert not cluster_mask(silence, embed, CONFIG).any()
    assert cluster_mask(silence, embed, CONFIG, swap=True).all()


def test_no_vocals_where_the_head_says_so():
    log_mel, _ = song()
    mask = cluster_mask(log_mel, embed, CONFIG, head_that_says(0.39, 0.1))
    np.testing.assert_array_equal(mask, np.zeros((300, 128), np.float32))


@pytest.mark.parametrize("swap", (False, True))
@pytest.mark.parametrize("network", (alike, nearly_alike))
@pytest.mark.parametrize("head", (None, head_that_says(0.3, 0.2)))
def test_no_vocals_where_all_embeddings_are_alike_unless_swapped(network, head, swap):
    log_mel, _ = song()
    mask = cluster_mask(log_mel, network, CONFIG, head, swap)
    np.testing.assert_array_equal(mask, np.full((300, 128), swap, np.float32))


@pytest.mark.parametrize(("cosine", "are_two"), ((0.78, True), (0.82, False)))
def test_clusters_nearer_than_0_8_are_one_source(cosine, are_two):
    directions = tf.constant([[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]])
    log_mel, truth = song()

    def at_an_angle(chunks):
        return tf.gather(directions, tf.cast(chunks > 0, tf.int32))

    expected = truth if are_two else np.zeros_like(truth)
    np.testing.assert_array_equal(cluster_mask(log_mel, at_an_angle, CONFIG), expected)


@pytest.mark.parametrize("swap", (False, True))
def test_all_vocals_where_all_embeddings_are_alike_and_the_head_hears_singing(swap):
    log_mel, _ = song()
    mask = cluster_mask(log_mel, alike, CONFIG, head_that_says(0.9, 0.8), swap)
    np.testing.assert_array_equal(mask, np.full((300, 128), not swap, np.float32))


@pytest.mark.parametrize("head", (None, head_that_says(0.9, 0.9)))
@pytest.mark.parametrize("samples", (1, 40000))
def test_silence_has_no_vocals(head, samples):
    def never(chunks):
        raise AssertionError("there is nothing to embed")

    log_mel = waveform_to_log_mel(tf.zeros(samples), CONFIG).numpy()
    direction, threshold = vocal_side(sample_of(log_mel), never, CONFIG, head)
    assert not binary_masks(embed(log_mel[np.newaxis]), direction, threshold).numpy().any()


def test_faint_bins_are_assigned_but_do_not_shape_the_clusters():
    log_mel, truth = song()
    log_mel[:, 100:] = -60.0

    def with_outliers(chunks):
        return tf.where((chunks < -50)[..., tf.newaxis], [[[[5.0, 7.0, 0.0]]]], embed(chunks))

    mask = cluster_mask(log_mel, with_outliers, CONFIG)
    np.testing.assert_array_equal(mask, truth)


def spread(chunks):
    """Overlapping clusters around two directions."""
    angle = tf.where(chunks > 0, 0.2, 1.8) + 0.9 * tf.sin(chunks * 37.0)
    return tf.stack([tf.cos(angle), tf.sin(angle)], axis=-1)


def test_agrees_with_scikit_learn():
    log_mel, _ = song(256)
    vectors = spread(tf.constant(log_mel)).numpy().reshape(-1, 2)
    labels = KMeans(2, n_init=4, random_state=0).fit(vectors).labels_.reshape(log_mel.shape)
    mask = cluster_mask(log_mel, spread, CONFIG)
    agreement = np.mean(mask == labels)
    assert max(agreement, 1 - agreement) > 0.9999
    assert 0.3 < mask.mean() < 0.7


@pytest.fixture
def fitted(monkeypatch):
    """What `fit_clusters` returned, call by call."""
    results = []
    monkeypatch.setattr(
        clustering, "fit_clusters", lambda *of: results.append(fit_clusters(*of)) or results[-1]
    )
    return results


@pytest.mark.parametrize("frames", (128, 2000))
def test_bins_go_to_the_centre_that_scikit_learn_predicts(frames, fitted):
    log_mel, _ = song(frames)
    log_mel[:, ::7] -= 45.0  # too faint for the fit
    mask = cluster_mask(log_mel, spread, CONFIG)
    labels = fitted[0].predict(spread(log_mel).numpy().reshape(-1, 2)).reshape(log_mel.shape)
    agreement = np.mean(mask == labels)
    assert max(agreement, 1 - agreement) > 0.99999
    assert 0.3 < mask.mean() < 0.7


def test_ten_hours_leave_no_more_than_twice_the_chunks():
    """The chunks lie evenly over the song, and keep nothing else alive."""
    total = 10 * 3600 * 125 // 128
    sample, most = SongSample(CONFIG), 0
    tracemalloc.start()
    try:
        for start in range(0, total, 32):
            sample.push(np.full((32, 128, 128), start, np.float32))
            most = max(most, len(sample.chunks))
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    chunks, sounds = sample.sounding()
    assert most <= 2 * clustering.FIT_CHUNKS
    assert chunks.shape == sounds.shape == (clustering.FIT_CHUNKS, 128, 128)
    starts = chunks[:, 0, 0]
    assert starts[0] == 0 and starts[-1] > 0.97 * total
    assert np.diff(starts).max() < 2 * total / clustering.FIT_CHUNKS + 32
    assert kept < 2 * clustering.FIT_CHUNKS * 128 * 128 * 4 + 3e6
    assert peak < 25e6


@pytest.mark.parametrize("group", (1, 4, 100))
def test_the_sample_of_a_short_song_is_all_of_it(group):
    log_mel, _ = song(1111)
    chunks, sounds = sample_of(log_mel, group).sounding()
    expected = [*log_mel[: 8 * 128].reshape(8, 128, 128), log_mel[-128:]]
    np.testing.assert_array_equal(chunks, expected)
    np.testing.assert_array_equal(sounds, chunks > log_mel.max() - 50.0)


@pytest.mark.parametrize("bins", (100_000, 5000))
def test_is_deterministic_also_where_it_draws_bins(monkeypatch, bins):
    monkeypatch.setattr(clustering, "FIT_BINS", bins)
    sample = sample_of(song(200)[0])
    first, again = (vocal_side(sample, spread, CONFIG) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]


def test_a_long_song_is_sampled_all_over(monkeypatch):
    monkeypatch.setattr(clustering, "FIT_CHUNKS", 3)
    monkeypatch.setattr(clustering, "FIT_BINS", 500)
    log_mel, truth = song(128 * 9)
    for head in (None, head_that_says(0.9, 0.1)):
        np.testing.assert_array_equal(cluster_mask(log_mel, embed, CONFIG, head), truth)


def test_the_clusters_of_a_long_song_take_so_many_bins_and_no_more(fitted, monkeypatch):
    monkeypatch.setattr(clustering, "FIT_BINS", 5000)
    log_mel, _ = song(128 * 9)
    cluster_mask(log_mel, embed, CONFIG)
    bins = [len(kmeans.labels_) for kmeans in fitted]
    assert log_mel.size > 20 * 5000 and bins == [pytest.approx(5000, rel=0.06)]


def test_scikit_learn_is_not_translated_by_autograph(caplog):
    """It was, at the cost of ten seconds and a page of warnings a process."""
    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        cluster_mask(song(100)[0], embed, CONFIG)
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.text == ""


def test_the_network_is_given_chunks_of_its_own_size():
    shapes = set()

    def noting(chunks):
        shapes.add(tuple(chunks.shape[1:]))
        return embed(chunks)

    cluster_mask(song(70)[0], noting, CONFIG)
    cluster_mask(song(400)[0], noting, CONFIG)
    assert shapes == {(128, 128)}
