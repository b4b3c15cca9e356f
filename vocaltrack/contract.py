"""Where the SavedModels are and what they say of themselves; no TensorFlow."""

from pathlib import Path

from vocaltrack.config import MODEL_NAMES, read_json
from vocaltrack.errors import UserError

CONTRACT_VERSION = 1
CONTRACT_ASSET = "assets/contract.json"


def find_model(model):
    """The folder of a SavedModel.

    Args:
        model: dc, hdc, unet or uhnet, looked for in `saved_models` of the
            working folder and then of the repository; or a folder.

    Returns:
        `pathlib.Path`.

    Raises:
        UserError: there is no such model.
    """
    if model in MODEL_NAMES:
        roots = (Path.cwd(), Path(__file__).resolve().parent.parent)
        for root in roots:
            if (root / "saved_models" / model / CONTRACT_ASSET).exists():
                return root / "saved_models" / model
        raise UserError(
            f"the model {model} is missing: no saved_models/{model} here or beside the package; "
            "give the folder of a SavedModel instead"
        )
    if not Path(model).is_dir():
        raise UserError(
            f"no model {model!r}; choose {', '.join(MODEL_NAMES)} or give a SavedModel's folder"
        )
    return Path(model)


def read_contract(folder):
    """The contract of a SavedModel as a dict with model, features, contract.

    Raises:
        UserError: the folder holds none, or one of another version.
    """
    path = Path(folder) / CONTRACT_ASSET
    if not path.exists():
        raise UserError(f"{folder} holds no {CONTRACT_ASSET}; it is no SavedModel of vocaltrack")
    contract = read_json(path, "the contract")
    if contract.get("contract") != CONTRACT_VERSION:
        raise UserError(
            f"{folder} follows contract {contract.get('contract')}, this version of vocaltrack "
            f"reads contract {CONTRACT_VERSION}; export the model again"
        )
    if contract.get("model") not in MODEL_NAMES or "features" not in contract:
        raise UserError(f"{path} is damaged; export the model again")
    return contract
