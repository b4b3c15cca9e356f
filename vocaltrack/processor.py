"""How numpy and TensorFlow use this processor and its memory."""

import contextlib
import ctypes
import os
import platform
from pathlib import Path

from vocaltrack.errors import warn

_M_ARENA_MAX = -8  # of glibc's malloc.h


def compute_with_onednn():
    """Let TensorFlow, not loaded yet, compute with oneDNN on any x86-64 processor.

    By itself it does so only where the processor has instructions for neural networks.
    Without them (AMD's third generation of EPYC) the networks are 1.4 to 1.8 times as fast
    with it (benchmarks/README.md, "Speed of the networks"). The environment's
    TF_ENABLE_ONEDNN_OPTS goes before it.
    """
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def numpy_in_one_thread():
    """Let numpy multiply its matrices in the thread that asks for it.

    They are small here; OpenBLAS would keep another thread spinning between
    them, on a core that TensorFlow needs: a tenth of a separation's time. Call it
    before numpy loads.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def save_memory():
    """Let all threads share two of glibc's heaps.

    It gives each thread one of its own, which keeps what the thread freed: a
    twentieth of the memory that a separation takes. Call it before TensorFlow
    loads; where there is no glibc it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def is_fast_in_bfloat16():
    """Whether the processor is faster in bfloat16 than in float32.

    Those are Intel's with AMX and AMD's with AVX-512's bfloat16 instructions (Zen 4 and
    later). With the latter alone Intel's are slower, and without either a processor
    trains many times slower. False where there is no /proc/cpuinfo to tell it.
    """
    try:
        processor = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
    is_amd = "AuthenticAMD" in processor
    return "amx_bf16" in processor or (is_amd and "avx512_bf16" in processor)


def compute_in_bfloat16():
    """Let TensorFlow compute in bfloat16 where the processor is faster in it.

    The U-nets run up to 1.6 times faster; their SI-SDR changes by less than 0.02 dB. A
    setting of the whole process, so it is for the command alone.
    """
    if is_fast_in_bfloat16():
        import tensorflow as tf

        option = {"auto_mixed_precision_onednn_bfloat16": True}
        tf.config.optimizer.set_experimental_options(option)


def warn_if_slow_in_bfloat16():
    """Say so where training in bfloat16 is likely to be slow: on a processor that is
    not known to be fast in it, without a GPU."""
    import tensorflow as tf

    if not is_fast_in_bfloat16() and not tf.config.list_physical_devices("GPU"):
        warn(
            "this processor is not known to be fast in bfloat16 and may train many "
            "times slower than in float32; leave --precision out"
        )
