"""What happens in a mixture: gaps, soft passages and hits."""

import numpy as np
import pytest

from vocaltrack.passages import (
    BETWEEN_HITS_DB,
    GAP_SECONDS,
    HIT_SECONDS,
    ROWS,
    SOFT_DB,
    SOFT_SECONDS,
    draw_passages,
    no_passages,
    passage_gains,
)

SECONDS = 4.0


def drawn(count=900):
    rng = np.random.default_rng(0)
    return [draw_passages(rng, SECONDS) for _ in range(count)]


def kind_of(rows):
    if not np.any(rows[0, 2:]):
        return "gap"
    return "hits" if np.any(rows[1:]) else "soft"


def assert_fills(values, low, high):
    reach = high - low
    assert low - 1e-4 * reach <= min(values) < low + 0.05 * reach
    assert high - 0.05 * reach < max(values) <= high + 1e-4 * reach


def test_nothing_happens_or_one_of_three_things():
    assert np.all(passage_gains(no_passages(), 100, 50) == 1.0)
    kinds = [kind_of(rows) for rows in drawn()]
    for kind in ("gap", "soft", "hits"):
        assert kinds.count(kind) / len(kinds) == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize(("kind", "lengths"), [("gap", GAP_SECONDS), ("soft", SOFT_SECONDS)])
def test_gaps_and_soft_passages_are_of_both_stems(kind, lengths):
    chosen = [rows for rows in drawn() if kind_of(rows) == kind]
    starts, ends, voice, music = np.transpose([rows[0] for rows in chosen])
    assert not np.any([rows[1:] for rows in chosen])
    np.testing.assert_array_equal(voice, music)
    assert_fills(starts, 0.0, SECONDS)
    assert_fills(ends - starts, *lengths)
    if kind == "soft":
        assert_fills(20 * np.log10(voice), *SOFT_DB)


def test_between_hits_all_is_soft_and_in_them_no_voice():
    chosen = [rows for rows in drawn() if kind_of(rows) == "hits"]
    first = np.array([rows[0] for rows in chosen])
    assert np.all(first[:, 0] == 0.0) and np.all(first[:, 1] == SECONDS)
    np.testing.assert_array_equal(first[:, 2], first[:, 3])
    assert_fills(20 * np.log10(first[:, 2]), *BETWEEN_HITS_DB)
    hits = [rows[1:][np.any(rows[1:], axis=1)] for rows in chosen]
    assert {len(some) for some in hits} == set(range(1, ROWS))
    starts, ends, voice, music = np.transpose(np.concatenate(hits))
    assert np.all(voice == 0.0) and np.all(music == 1.0)
    assert_fills(starts, 0.0, SECONDS)
    assert_fills(ends - starts, *HIT_SECONDS)


def test_a_later_row_takes_the_place_of_those_before_it():
    rows = no_passages()
    rows[0], rows[1] = (0.0, 1.0, 0.1, 0.2), (0.25, 0.5, 0.0, 1.0)
    gains = passage_gains(rows, 1250, 1000)
    assert gains.shape == (2, 1250) and gains.dtype == np.float32
    expected = np.repeat([[0.1, 0.0, 0.1, 1.0], [0.2, 1.0, 0.2, 1.0]], (250, 250, 500, 250), axis=1)
    np.testing.assert_array_equal(gains, expected.astype(np.float32))
