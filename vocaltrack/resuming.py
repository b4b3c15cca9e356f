"""A run that is begun or goes on: alone in its folder, and with the settings, records and
starting weights that it began with, or not at all."""

import contextlib
import os
from pathlib import Path

from vocaltrack.errors import UserError
from vocaltrack.files import make_folder
from vocaltrack.jsonfiles import read_json, write_json
from vocaltrack.locks import alone_in
from vocaltrack.own_folders import RUN, refuse_other_kinds
from vocaltrack.run_files import TEMPORARY, read_log
from vocaltrack.runs import DEFAULTS, NEWEST, TENSORBOARD

TRAINED = ("log.csv", NEWEST)
WRITTEN = ("best.keras", *TRAINED)  # after an epoch
OF_ITS_START = ("started_from", "heard", "validated")  # what run.json says of it


def goes_on_from_itself(run):
    """Whether a run has done an epoch and so can do without the runs that it started from."""
    run = Path(run)
    if not (run / NEWEST).exists() or not (run / "run.json").exists():
        return False
    return bool(read_json(run / "run.json", "the run").get("started_from"))


def refuse_other_folders(run):
    """Refuse to train where something else is: a file, records, a SavedModel, or a network that
    was made there, by unfold.py, say, which random weights would replace.

    Raises:
        UserError: says what is there.
    """
    run = Path(run)
    if run.exists() and not run.is_dir():
        raise UserError(f"{run} is a file; give the folder of the run")
    refuse_other_kinds(run, RUN)
    if (run / "best.keras").exists() and not any((run / name).exists() for name in TRAINED):
        raise UserError(
            f"{run} holds a network that was not trained there; train from it in another "
            f"folder, with --initial {run}"
        )


@contextlib.contextmanager
def claimed_run(run, description):
    """Keep a run's folder to oneself while the block runs, and write run.json, or refuse
    a folder that holds a run with other settings.

    Another patience may be asked of a run, and any number of epochs from those that are
    done on, except under the cosine decay, which is planned for its number of epochs.
    Settings that came after the run have their defaults in it. The runs that it started
    from may have moved, and once an epoch is done none of them need be named.

    Args:
        run: folder of the run; made when absent.
        description: what `describe_run` returns.

    Yields:
        whether the run is new.

    Raises:
        UserError: names the first setting that differs; or the folder holds something else, or
            another process trains there.
    """
    is_new = not run.exists()
    refuse_other_kinds(run, RUN)
    make_folder(run / TENSORBOARD)
    with alone_in(run):
        for left_behind in run.glob(f"{TEMPORARY}*"):  # by a process that was killed
            left_behind.unlink()
        if any((run / name).exists() for name in WRITTEN):
            description = _as_it_goes_on(run, description)
        write_json(run / "run.json", description)
        yield is_new


def _as_it_goes_on(run, description):
    """A run's description with what run.json says of its start; refuses one that does not fit."""
    path = run / "run.json"
    if not path.exists():
        raise UserError(f"{run} lacks its run.json; bring it back or give another folder")
    old = read_json(path, "the run")
    try:
        _refuse_other_settings(run, old, description)
        _refuse_other_starts(run, old, description)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged; give another folder") from error
    return {**description, **{name: old[name] for name in OF_ITS_START if name in old}}


def _refuse_other_settings(run, old, description):
    grows, done = description["training"]["decay"] != "cosine", len(read_log(run))
    for part in ("training", "network", "features"):
        for name, value in description[part].items():
            was = {**DEFAULTS, **old[part]}[name]
            if name == "epochs" and grows:
                if value < done:
                    raise UserError(f"{run}: {done} epochs are done, {value} were asked for")
            elif name != "patience" and was != value:
                why = ", for which its cosine is planned" if name == "epochs" else ""
                raise UserError(
                    f"{run} was trained with {name}={was}, not {value}{why}; "
                    "give the same settings or another folder"
                )
    before = {"records_sha256": description["records_sha256"], **old}  # which older runs lack
    for part in ("mean", "std", "songs", "records_sha256"):
        if before.get(part) != description[part]:
            raise UserError(
                f"{run} was trained with other records ({part} differs); "
                "give the same or another folder"
            )


def _refuse_other_starts(run, old, description):
    before, now = old.get("started_from", {}), description["started_from"]
    if not now and (run / NEWEST).exists():
        return
    for name in sorted({*before, *now}):
        was, given = before.get(name), now.get(name)
        if not (was and given and _is_same_start(was, given)):
            was = f"--{name} {_place(was)}" if was else f"no --{name}"
            given = given["run"] if given else "none"
            raise UserError(
                f"{run} started from {was}, and {given} was given; give the same, another "
                "folder for the new run, or no run to start from, to go on"
            )


def _is_same_start(was, given):
    has_its_weights = isinstance(was, dict) and was["sha256"] == given["sha256"]
    return has_its_weights or _place(was) == given["run"]


def _place(start):
    """Where a run was that another one started from, which is all that runs of before
    version 0.17 tell of it."""
    return os.path.realpath(start["run"] if isinstance(start, dict) else start)
