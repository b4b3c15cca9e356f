"""A run whose weights are the mean of two runs' last ones.

    python recipes/shipped/average.py runs/earlier runs/later --run runs/mean

Both must have come from the same weights, so that they lie in one valley
of the loss; their mean is then often better than either (Wortsman et al. 2022). With
--share 0.75 the later one makes up three quarters of it. The earlier one may also be a
unet, the later one a uhnet: a unet hears no masks, and so weighs them with zero. With
--records the norms' statistics are measured anew, since those of a mean are not the
mean's (Izmailov et al. 2018); without, another backend of Keras than TensorFlow will do.
The new run describes itself as the later one does.
"""

import argparse
import os
import shutil
from pathlib import Path

import keras
from keras import layers

from vocaltrack.errors import UserError, exits_on_user_error
from vocaltrack.files import replace_folder
from vocaltrack.jsonfiles import read_json, write_json
from vocaltrack.models import copy_weights
from vocaltrack.records import Manifest
from vocaltrack.runs import NEWEST, load_run, songs_heard, songs_validated
from vocaltrack.silence import as_heard

BATCHES, BATCH_SIZE = 40, 64


def average(earlier, later, share=0.5):
    """Give a network the mean of its weights and another's.

    Args:
        earlier: `keras.Model`.
        later: `keras.Model` of the same size, or a uhnet over an earlier unet; changed in
            place.
        share: of the later one's weights, 0 to 1.

    Raises:
        UserError: they are of different sizes.
    """
    sizes = UserError("the two runs hold networks of different sizes")
    if (earlier.name, later.name) == ("unet", "uhnet"):
        try:
            earlier = as_uhnet(earlier, later)
        except ValueError as error:
            raise sizes from error
    shapes = [[w.shape for w in model.get_weights()] for model in (earlier, later)]
    if shapes[0] != shapes[1]:
        raise sizes
    pairs = zip(earlier.get_weights(), later.get_weights())
    later.set_weights([(1 - share) * one + share * other for one, other in pairs])


def as_uhnet(unet, uhnet):
    """A uhnet that does what a unet does, with the hdc of another uhnet."""
    twin = keras.models.clone_model(uhnet)
    twin.set_weights(uhnet.get_weights())
    copy_weights(unet, twin)
    return twin


def measure_norms(model, mixtures):
    """Give a network's norms the statistics of their inputs in training, the means of
    those of batches.

    Args:
        model: `keras.Model`; changed in place.
        mixtures: iterable of float32 [batch, time, mel], log-mel in dB, see
            `silence.as_heard`.
    """
    import tensorflow as tf

    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    momentum = [norm.momentum for norm in norms]
    share = tf.Variable(0.0)
    for norm in norms:
        norm.momentum = share
    step = tf.function(lambda mixture: model(mixture, training=True))
    for number, mixture in enumerate(mixtures):
        share.assign(number / (number + 1))  # the mean of all batches so far
        step(mixture)
    for norm, value in zip(norms, momentum):
        norm.momentum = value


def load_newest(run):
    """A run's network as it was last, or as it is where it was never trained, what describes
    it, and the songs whose loss chose these weights."""
    last = (Path(run) / NEWEST).exists()
    model, description = load_run(run, last)
    return model, description, songs_validated(description, last)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("earlier")
    parser.add_argument("later", type=Path)
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the later run's weights")
    parser.add_argument("--records", help="to measure the norms' statistics on")
    options = parser.parse_args()
    if not 0 < options.share < 1:
        raise UserError("--share must lie between 0 and 1")
    earlier, first, chose_earlier = load_newest(options.earlier)
    model, later, chose_later = load_newest(options.later)
    average(earlier, model, options.share)
    if options.records:
        from vocaltrack.pipeline import batches

        manifest = Manifest.load(options.records)
        manifest.features.check_same(later["features"], "the records", str(options.later))
        chunks = batches(manifest, options.records, "train", BATCH_SIZE, seed=0).take(BATCHES)
        measure_norms(model, (as_heard(batch["mixture"], manifest.features) for batch in chunks))
    description = {
        **later,
        "features": later["features"].to_dict(),
        "averaged_with": os.path.realpath(options.earlier),
        "share": options.share,
        "norms_of": options.records,
        "heard": sorted({*songs_heard(first), *songs_heard(later)}),
        "validated": sorted({*chose_earlier, *chose_later}),
    }
    if options.run.is_dir() and any(options.run.iterdir()):
        there = options.run / "run.json"
        if not there.exists() or read_json(there, "the run") != description:
            raise UserError(f"{options.run} is no run of these two; give another folder")

    def fill(folder):
        write_json(folder / "run.json", description)
        if (options.later / "log.csv").exists():
            shutil.copy(options.later / "log.csv", folder)
        model.save(folder / "best.keras")
        model.save_weights(folder / NEWEST)  # the next mean's

    replace_folder(options.run, fill)
    print(f"{options.run}: {model.name} of {options.earlier} and {options.later}")


if __name__ == "__main__":
    with exits_on_user_error():
        main()
