"""JSON in files: read whole or refused, written whole or not at all."""

import json
import math
from pathlib import Path

from vocaltrack.errors import UserError
from vocaltrack.files import write_atomically


def read_json(path, what):
    """A JSON file's content, which must be an object.

    Args:
        path: the file.
        what: what the file is, for the message.

    Raises:
        UserError: the file is absent or holds no JSON object.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {what} {path}: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"cannot read {what} {path}: it holds no JSON object")
    return content


def write_json(path, content):
    """Write JSON, whole or not at all; null stands for what is no number.

    Args:
        path: the target.
        content: dictionaries, lists and tuples of JSON's types.

    Raises:
        UserError: the file cannot be written.
    """
    text = json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, lambda p: Path(p).write_text(text + "\n", encoding="utf-8"))


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
