"""Where the SavedModels are and what they say of themselves; no TensorFlow."""

import os
from pathlib import Path

from vocaltrack.config import METHODS, MODEL_NAMES
from vocaltrack.errors import UserError
from vocaltrack.files import sha256_of
from vocaltrack.jsonfiles import read_json

CONTRACT_VERSION = 1
CONTRACT_ASSET = "assets/contract.json"
CHECKSUMS = "SHA256SUMS"
METHODS_OF = {  # the first one unless asked
    "dc": ("clusters",),
    "hdc": ("head", "clusters"),
    "unet": ("head",),
    "uhnet": ("head",),
}


def find_model(model):
    """The folder of a SavedModel.

    Args:
        model: dc, hdc, unet or uhnet, looked for in `saved_models` of the
            repository or, where there is none, of the installed package; or a folder.

    Returns:
        `pathlib.Path`.

    Raises:
        UserError: there is no such model.
    """
    if model in MODEL_NAMES:
        package = Path(__file__).resolve().parent
        roots = (package.parent, package)
        for root in roots:
            if (root / "saved_models" / model / CONTRACT_ASSET).exists():
                return root / "saved_models" / model
        raise UserError(
            f"the model {model} is missing: no saved_models/{model} beside the package; "
            "give the folder of a SavedModel instead"
        )
    if not isinstance(model, (str, os.PathLike)) or not str(model) or not Path(model).is_dir():
        given = os.fspath(model) if isinstance(model, os.PathLike) else model
        raise UserError(
            f"no model {given!r}; choose {', '.join(MODEL_NAMES)} or give a SavedModel's folder"
        )
    return Path(model)


def split_method(name):
    """Model and method of what stands for both, such as hdc:clusters.

    Args:
        name: a model, or one and a colon and head or clusters.

    Returns:
        (model, method); the method is None where it is not named.
    """
    model, colon, method = name.rpartition(":")
    return (model, method) if colon and method in METHODS else (name, None)


def choose_method(model, method=None, swap=False):
    """The method by which a model separates.

    Args:
        model: dc, hdc, unet or uhnet.
        method: "head" or "clusters"; None for the model's own.
        swap: whether the other cluster is to be taken.

    Raises:
        UserError: the model has no such method, or the method nothing to swap.
    """
    chosen = method or METHODS_OF[model][0]
    if chosen not in METHODS_OF[model]:
        raise UserError(
            f"the model {model} has no {chosen}; it separates by its {METHODS_OF[model][0]}"
        )
    if swap and chosen != "clusters":
        raise UserError("only clusters can be swapped: use --swap with dc or --method clusters")
    return chosen


def read_contract(folder):
    """The contract of a SavedModel: a dict, which has "contract" (its version), "model" and
    "features" at least, and says of what `export` writes "heard" and "validated" too.

    Raises:
        UserError: the folder holds none, or one of another version.
    """
    path = Path(folder) / CONTRACT_ASSET
    if not path.exists():
        what = "it is no SavedModel of vocaltrack"
        if (Path(folder) / "best.keras").exists():
            what = "it is a run, of which vocaltrack export makes a SavedModel"
        raise UserError(f"{folder} holds no {CONTRACT_ASSET}; {what}")
    contract = read_json(path, "the contract")
    if contract.get("contract") != CONTRACT_VERSION:
        raise UserError(
            f"{folder} follows contract {contract.get('contract')}, this version of vocaltrack "
            f"reads contract {CONTRACT_VERSION}; export the model again"
        )
    if contract.get("model") not in MODEL_NAMES or "features" not in contract:
        raise UserError(f"{path} is damaged; export the model again")
    return contract


def write_checksums(folder):
    """Write SHA256SUMS of all files in a SavedModel's folder, in the form
    that `sha256sum --check` reads."""
    folder = Path(folder)
    (folder / CHECKSUMS).unlink(missing_ok=True)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def check_checksums(folder):
    """Refuse a SavedModel that is not, byte for byte, what was exported.

    Files that SHA256SUMS does not list (a model card, say) may lie beside it.

    Raises:
        UserError: SHA256SUMS or a file of the model is missing or changed.
    """
    folder = Path(folder)
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder} holds no whole {CHECKSUMS}; copy or export the model again"
        ) from error
    for name in sorted({"saved_model.pb", CONTRACT_ASSET} | set(listed)):
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing; copy or export the model again")
        if sha256_of(path) != listed.get(name):
            raise UserError(
                f"{path} is damaged: its checksum is not the one in {CHECKSUMS}; "
                "copy or export the model again"
            )
