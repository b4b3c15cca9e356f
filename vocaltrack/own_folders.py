"""Runs, records and SavedModels: each has a folder of its own."""

from pathlib import Path

from vocaltrack.contract import CONTRACT_ASSET
from vocaltrack.errors import UserError
from vocaltrack.records import MANIFEST

RUN, RECORDS, SAVED_MODEL = "a run", "records", "a SavedModel"
KNOWN_BY = {RUN: "run.json", RECORDS: MANIFEST, SAVED_MODEL: CONTRACT_ASSET}


def refuse_other_kinds(folder, kind):
    """Refuse to write into a folder that holds something else of this package's.

    Args:
        folder: where to write.
        kind: what is to be written, one of `KNOWN_BY`.

    Raises:
        UserError: says what is there.
    """
    for other, file in KNOWN_BY.items():
        if other != kind and (Path(folder) / file).exists():
            raise UserError(f"{folder} holds {other}; give another folder")
