"""What networks hear in place of silence; `keras.ops` alone."""

from keras import ops

from vocaltrack.mel import sounding

QUIET_DB = 30.0  # above the floor; a band holds a tone of -74 dB of full scale there


def fill_silence(log_mel, config):
    """Chunks whose silent frames are the mean of their others.

    A frame is silent when none of its bands sounds, see `mel.sounding`, nor lies more than
    `QUIET_DB` above the floor: soft music beside a loud hit is none.

    Recordings are seldom silent. Silence before a song, in it, and what its last chunk is
    filled up with behind it made the masks of the music beside it worse, up to twice the
    error; the mean of that music does not.

    Args:
        log_mel: float32 [batch, time, mel] in dB.
        config: `FeatureConfig`.

    Returns:
        float32 [batch, time, mel]; a chunk that is all silence stays so.
    """
    peaks = ops.max(log_mel, axis=2, keepdims=True)
    heard = sounding(peaks, ops.max(peaks, axis=1, keepdims=True), config)
    heard = ops.cast(heard | (peaks > config.floor_db + QUIET_DB), log_mel.dtype)
    frames = ops.sum(heard, axis=1, keepdims=True)
    mean = ops.sum(log_mel * heard, axis=1, keepdims=True) / ops.maximum(frames, 1.0)
    return ops.where((heard > 0.0) | (frames == 0.0), log_mel, mean)
