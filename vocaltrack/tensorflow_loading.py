"""TensorFlow as a command needs it: without the lines that it prints when it is loaded,
with so many cores, and without what only others need."""

import contextlib
import os
import sys
import threading

from vocaltrack.processor import compute_with_onednn
from vocaltrack.quiet import is_chatter_wanted, stderr_lost

EXTRAS = ("jax", "matplotlib", "pandas", "PIL", "sklearn")
_loading = threading.Lock()


def load_tensorflow(cores=None, verbose=False):
    """Import TensorFlow, which is to compute with oneDNN and to take of a GPU's memory
    what it needs; what its C++ code writes to stderr meanwhile is lost.

    Some of those lines come before any of TensorFlow's own settings could
    silence them. Exceptions are raised as ever.

    Args:
        cores: processor cores to use; None for all.
        verbose: let it write; so does a TF_CPP_MIN_LOG_LEVEL of 0.
    """
    compute_with_onednn()
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if is_chatter_wanted(verbose):
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


def load_keras():
    """Import TensorFlow and Keras without the user's settings of Keras."""
    with without_settings():
        load_tensorflow()
        import keras  # noqa: F401


def _import_silently():
    # For so long only: processes started from here are to decide for themselves.
    with _environment({"TF_CPP_MIN_LOG_LEVEL": "3"}), stderr_lost():
        import tensorflow  # noqa: F401


def without_settings():
    """Hide the user's settings of Keras, which is loaded meanwhile: another backend or
    layout of arrays, or another number format, is not what these networks are made of."""
    # The folder holds no keras.json.
    return _environment({"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull})


@contextlib.contextmanager
def _environment(values):
    """Other values in the process's environment until the block ends."""
    own = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in own.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def without_extras():
    """Hide from Keras, which TensorFlow loads with itself, what it loads only where it is
    installed: more than a quarter of the time that loading takes, and 100 MB, for another
    backend, pictures, tables and estimators that a separation does without (k-means loads
    its own later)."""
    hidden = [name for name in EXTRAS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
