"""TensorFlow without the lines it prints when it is loaded."""

import os


def load_tensorflow(cores=None, verbose=False):
    """Import TensorFlow; what its C++ code writes to stderr meanwhile is lost.

    Some of those lines come before any of TensorFlow's own settings could
    silence them. Exceptions are raised as ever.

    Args:
        cores: processor cores to use; None for all.
        verbose: let it write; so does TF_CPP_MIN_LOG_LEVEL in the environment.
    """
    if verbose or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        import tensorflow  # noqa: F401
    else:
        _import_silently()
    if cores is not None:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(cores)
        tf.config.threading.set_inter_op_parallelism_threads(cores)


def _import_silently():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        # Processes started from here are to be quiet too, and to decide for themselves.
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]
