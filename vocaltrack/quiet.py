"""TensorFlow as a command needs it: without the lines it prints when it is
loaded, with so many cores, fast, in little memory, and gone at once."""

import contextlib
import ctypes
import os
import platform
import sys
import threading
from pathlib import Path

EXTRAS = ("matplotlib", "pandas", "PIL", "sklearn")
_M_ARENA_MAX = -8  # of glibc's malloc.h
_loading = threading.Lock()


def load_tensorflow(cores=None, verbose=False):
    """Import TensorFlow, which is to compute with oneDNN and to take of a GPU's memory
    what it needs; what its C++ code writes to stderr meanwhile is lost.

    Some of those lines come before any of TensorFlow's own settings could
    silence them. Exceptions are raised as ever.

    Args:
        cores: processor cores to use; None for all.
        verbose: let it write; so does a TF_CPP_MIN_LOG_LEVEL below 3.
    """
    compute_with_onednn()
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if _is_chatter_wanted(verbose):
        import tensorflow  # noqa: F401
    else:
        with _loading:  # two threads must not both redirect stderr
            if "tensorflow" not in sys.modules:
                _import_silently()
    if cores is not None:
        import tensorflow as tf

        cores = min(cores, os.cpu_count() or 1)  # thousands of threads never end
        tf.config.threading.set_intra_op_parallelism_threads(cores)
        tf.config.threading.set_inter_op_parallelism_threads(cores)


@contextlib.contextmanager
def without_extras():
    """Hide from Keras, which TensorFlow loads with itself, what it loads only where it is
    installed: more than a quarter of the time that loading takes, and 100 MB, for pictures,
    tables and estimators that a separation does without (k-means loads its own later)."""
    hidden = [name for name in EXTRAS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def compute_with_onednn():
    """Let TensorFlow, not loaded yet, compute with oneDNN on any x86-64 processor.

    By itself it does so only where the processor has instructions for neural networks.
    Without them (AMD's third generation of EPYC) the networks are 1.4 to 1.8 times as fast
    with it (benchmarks/README.md, "Speed of the networks"). The environment's
    TF_ENABLE_ONEDNN_OPTS goes before it.
    """
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _is_chatter_wanted(verbose):
    return verbose or os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1", "2")


def _import_silently():
    own = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        with _stderr_lost():
            import tensorflow  # noqa: F401
    finally:
        # Processes started from here are to be quiet too, and to decide for themselves.
        if own is None:
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]
        else:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = own


@contextlib.contextmanager
def libraries_silenced(verbose=False):
    """Lose what C libraries write to stderr, such as the notes of the mp3
    decoder; what Python writes there is still seen.

    Args:
        verbose: let them write; so does a TF_CPP_MIN_LOG_LEVEL below 3.
    """
    if _is_chatter_wanted(verbose):
        yield
        return
    own = sys.stderr
    with _stderr_lost() as kept:
        # Tests and other programs may have put something else there.
        if kept is None or own is not sys.__stderr__:
            yield
            return
        own.flush()
        sys.stderr = open(kept, "w", 1, own.encoding, own.errors, closefd=False)
        try:
            yield
        finally:
            sys.stderr.flush()
            sys.stderr = own


@contextlib.contextmanager
def _stderr_lost():
    """Lose what is written to file 2; yields a copy of it, None if it is closed."""
    try:
        kept = os.dup(2)
    except OSError:
        yield None
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield kept
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def save_memory():
    """Let all threads share two of glibc's heaps.

    It gives each thread one of its own, which keeps what the thread freed: a
    twentieth of the memory that a separation takes. Call it before TensorFlow
    loads; where there is no glibc it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def numpy_in_one_thread():
    """Let numpy multiply its matrices in the thread that asks for it.

    They are small here; OpenBLAS would keep another thread spinning between
    them, on a core that TensorFlow needs: a tenth of a separation's time. Call it
    before numpy loads.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


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
        print(
            "warning: this processor is not known to be fast in bfloat16 and may train many "
            "times slower than in float32; leave --precision out",
            file=sys.stderr,
        )


def leave(code):
    """End the process at once; TensorFlow would take a second to tidy up."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(code)
