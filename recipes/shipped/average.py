"""A run whose weights are the mean of two runs' last ones.

    python recipes/shipped/average.py runs/earlier runs/later --run runs/mean

The later run must have started from the earlier one, so that both lie in one valley
of the loss; their mean is then often better than either (Wortsman et al. 2022). With
--share 0.75 the later one makes up three quarters of it. The new run describes itself
as the later one does.
"""

import argparse
import shutil
from pathlib import Path

from vocaltrack.errors import UserError, exits_on_user_error
from vocaltrack.files import replace_folder
from vocaltrack.jsonfiles import read_json, write_json
from vocaltrack.runs import load_run


def average(earlier, later, share=0.5):
    """Give a network the mean of its weights and another's.

    Args:
        earlier: `keras.Model`.
        later: `keras.Model` of the same size; changed in place.
        share: of the later one's weights, 0 to 1.

    Raises:
        UserError: they are of different sizes.
    """
    pairs = list(zip(earlier.get_weights(), later.get_weights()))
    shapes = [[w.shape for w in model.get_weights()] for model in (earlier, later)]
    if shapes[0] != shapes[1]:
        raise UserError("the two runs hold networks of different sizes")
    later.set_weights([(1 - share) * one + share * other for one, other in pairs])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("earlier")
    parser.add_argument("later", type=Path)
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the later run's weights")
    options = parser.parse_args()
    if not 0 < options.share < 1:
        raise UserError("--share must lie between 0 and 1")
    earlier, _ = load_run(options.earlier, last=True)
    model, _ = load_run(options.later, last=True)
    average(earlier, model, options.share)
    description = read_json(options.later / "run.json", "the run")
    description["averaged_with"] = options.earlier
    description["share"] = options.share
    there = options.run / "run.json"
    if there.exists() and read_json(there, "the run") != description:
        raise UserError(f"{options.run} holds another run; give another folder")

    def fill(folder):
        write_json(folder / "run.json", description)
        shutil.copy(options.later / "log.csv", folder)
        model.save(folder / "best.keras")
        model.save_weights(folder / "newest.weights.h5")  # the next mean's

    replace_folder(options.run, fill)
    print(f"{options.run}: {model.name} of {options.earlier} and {options.later}")


if __name__ == "__main__":
    with exits_on_user_error():
        main()
