"""What the speed benchmarks of Keras and of PyTorch have in common."""

import time

from vocaltrack.config import PRECISIONS
from vocaltrack.processor import is_fast_in_bfloat16

BATCH = 32


def fast_precisions():
    """Those in which this processor does not train many times slower."""
    return PRECISIONS if is_fast_in_bfloat16() else PRECISIONS[:1]


def chunks_a_second(step, steps):
    """Speed of `step`, called once to warm up and then `steps` times."""
    step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * BATCH / (time.perf_counter() - start)
