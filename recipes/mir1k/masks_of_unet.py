"""A run that takes the place of an hdc's, and whose masks are those of a U-net.

    python recipes/mir1k/masks_of_unet.py RUNS/unet-1 RUNS/masks-of-unet-1

`train_unet.py --model uhnet --clustering` takes it, and so trains a uhnet on masks that are as
good as a U-net's. They are those of the run's last epoch; nothing is trained here.
"""

import argparse
from pathlib import Path

from vocaltrack.errors import UserError, exits_on_user_error, say
from vocaltrack.run_files import make_run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("unet", help="run of a unet")
    parser.add_argument("output", type=Path, help="folder of the run to write")
    options = parser.parse_args()
    if options.output.exists():
        raise UserError(f"{options.output} is there already; delete it or give another folder")
    write_run(options.unet, options.output)
    say(f"{options.output}: a run whose masks are those of {options.unet}")


def write_run(unet_run, output):
    """Write a run whose network is called hdc and has the masks of a U-net.

    Args:
        unet_run: folder of the run.
        output: folder of the run to write; it need not exist.

    Raises:
        UserError: the run is not a U-net's.
    """
    from vocaltrack.runs import load_run, origin

    unet, description = load_run(unet_run, last=True, wanted=("unet",))
    network = both_masks(unet)
    description["training"]["model"] = network.name
    description["started_from"] = {"masks": origin(unet_run)}
    make_run(output, network, description)


def both_masks(unet):
    """A U-net with the masks of both stems, as an hdc has them.

    Args:
        unet: `keras.Model` from log_mel to the vocals' mask.

    Returns:
        `keras.Model` named "hdc", from log_mel to {"masks"}: float32 [batch, time, mel, 2].
        It has the two dense layers of an hdc, which `vocaltrack.serving` looks for.
    """
    import keras
    import numpy as np
    from keras import layers

    from vocaltrack.models import MASK_HEAD

    logits = unet.get_layer("mask").input
    _, frames, mels, _ = logits.shape
    projection = layers.Dense(mels, name="projection", dtype="float32")
    # The softmax of a logit and 0 is what the sigmoid makes of the logit.
    beside_zeros = layers.Dense(2 * mels, name=MASK_HEAD, dtype="float32")
    x = layers.Reshape((frames, mels), name="without_channel")(logits)
    x = beside_zeros(projection(x))
    x = layers.Reshape((frames, mels, 2), name="mask_logits")(x)
    masks = layers.Softmax(name="masks", dtype="float32")(x)
    unchanged = np.eye(mels)
    projection.set_weights([unchanged, np.zeros(mels)])
    beside_zeros.set_weights([np.kron(unchanged, [[1.0, 0.0]]), np.zeros(2 * mels)])
    return keras.Model(unet.input, {"masks": masks}, name="hdc")


if __name__ == "__main__":
    with exits_on_user_error():
        main()
