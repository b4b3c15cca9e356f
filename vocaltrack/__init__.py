"""vocaltrack: vocal track extraction with TensorFlow and Keras.

`Separator` is the way in for other programs:

    separation = vocaltrack.Separator("uhnet").separate(audio, sample_rate)

TensorFlow is loaded when `Separator` is first asked for, not before.
"""

__version__ = "0.20.0"
__all__ = ["Separator", "UserError"]


def __getattr__(name):
    if name == "Separator":
        from vocaltrack.tensorflow_loading import load_tensorflow

        load_tensorflow()
        from vocaltrack.separator import Separator as found
    elif name == "UserError":
        from vocaltrack.errors import UserError as found
    else:
        raise AttributeError(f"module 'vocaltrack' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__():
    return sorted({*globals(), *__all__})
