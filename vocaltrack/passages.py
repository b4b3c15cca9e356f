"""Passages of a mixture: a gap, a soft one, or hits between which all else is soft.

Songs have breaks, quiet verses and single loud strokes; recordings break off. What a
network finds beside those is not to change for them.
"""

import numpy as np

from vocaltrack.augmentation import gain

ROWS = 7  # of what is drawn: all of the excerpt, and up to six hits
GAP_SECONDS = (0.05, 1.0)
SOFT_SECONDS = (0.3, 2.5)
HIT_SECONDS = (0.03, 0.3)
SOFT_DB = (-40.0, -10.0)
BETWEEN_HITS_DB = (-55.0, -20.0)


def draw_passages(rng, seconds):
    """What happens in an excerpt: a gap, a soft passage or one to six hits, each as likely.

    Args:
        rng: `numpy.random.Generator`.
        seconds: length of the excerpt.

    Returns:
        float32 [ROWS, 4]: start and end of a passage in seconds, the factors of the
        vocals and of the accompaniment in it; a later row takes the place of those
        before it. The voice is silent in hits.
    """
    rows = no_passages()
    what = rng.choice(("gap", "soft", "hits"))
    if what == "hits":
        rows[0] = 0.0, seconds, *2 * [gain(rng.uniform(*BETWEEN_HITS_DB))]
        for row in rows[1 : 1 + rng.integers(1, ROWS)]:
            row[:2], row[3] = _span(rng, seconds, HIT_SECONDS), 1.0
        return rows
    rows[0, :2] = _span(rng, seconds, GAP_SECONDS if what == "gap" else SOFT_SECONDS)
    rows[0, 2:] = 0.0 if what == "gap" else gain(rng.uniform(*SOFT_DB))
    return rows


def no_passages():
    """What `draw_passages` would return if nothing happened."""
    return np.zeros((ROWS, 4), np.float32)


def passage_gains(rows, samples, sample_rate):
    """The factors of vocals and accompaniment, float32 [2, samples].

    Args:
        rows: of `draw_passages`.
        samples: of the excerpt.
        sample_rate: Hz.
    """
    time = np.arange(samples, dtype=np.float32) / np.float32(sample_rate)
    gains = np.ones((2, samples), np.float32)
    for start, end, *factors in rows:
        gains[:, (time >= start) & (time < end)] = np.array(factors)[:, np.newaxis]
    return gains


def _span(rng, seconds, lengths):
    """(start, end) of a passage that begins within the excerpt."""
    start = rng.uniform(0.0, seconds)
    return start, start + rng.uniform(*lengths)
