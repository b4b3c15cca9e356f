"""What the speed benchmarks of Keras and of PyTorch have in common."""

import time

BATCH = 32
NETWORKS = ("dc", "hdc", "unet", "uhnet")
PRECISIONS = ("float32", "mixed_bfloat16")


def chunks_a_second(step, steps):
    """Speed of `step`, called once to warm up and then `steps` times."""
    step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * BATCH / (time.perf_counter() - start)
