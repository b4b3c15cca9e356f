"""What the model cards say of the training and the use of their models."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.paths import REPOSITORY


@pytest.fixture
def cards(shipped_recipe):
    return shipped_recipe("cards")


@pytest.mark.parametrize("model", ["dc", "hdc", "unet", "uhnet"])
def test_a_card_names_the_whole_command_of_its_training(cards, model):
    words = cards.command(model).split()
    assert Path(words[1]).name.startswith("train_")
    assert words[words.index("--model") + 1] == model
    assert {"--records", "--mir1k"} & set(words)
    assert set(re.findall(r"\$(\w+)", " ".join(words))) <= {"DATA"}
    options = [word for word in words if word.startswith("--")]
    assert len(options) == len(set(options))
    card = (REPOSITORY / "saved_models" / model / "README.md").read_text(encoding="utf-8")
    assert f"`{cards.command(model)}`" in card and "took about fifteen hours" in card
    assert f"in a checkout of {cards.commit(model)};" in card


def test_a_card_s_commit_is_that_of_its_stage(cards):
    commits = {model: cards.commit(model) for model in ("dc", "hdc", "unet", "uhnet")}
    assert commits == {"dc": "6d3feff", "hdc": "f8e4ccd", "unet": "4e89bd7", "uhnet": "4e89bd7"}


@pytest.mark.parametrize("model", ["dc", "hdc"])
def test_what_a_card_says_of_its_use_runs(model):
    folder = REPOSITORY / "saved_models"
    card = (folder / model / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    names = {}
    exec(code.replace(f'"{model}"', f'"{folder / model}"'), names)
    if model == "dc":
        np.testing.assert_allclose(np.linalg.norm(names["embeddings"], axis=-1), 1.0, rtol=1e-5)
    else:
        assert names["vocals"].shape == (1, 16000)


def test_a_card_s_command_has_the_options_that_held(cards, monkeypatch, tmp_path):
    monkeypatch.setattr(cards, "REPOSITORY", tmp_path)
    (tmp_path / "recipes" / "shipped").mkdir(parents=True)
    (tmp_path / "recipes" / "shipped" / "train.sh").write_text(
        'common="--dropout 0.1 --seed 1"\n'
        '(\n    common="$common --seed 2"\n)\n'
        "python train_unet.py --model unet $common --dropout 0 \\\n    --run runs/unet\n"
        '(\n    common="$common --stems $data/x"\n'
        "    [ -e runs/hdc ] || python a/train_jax.py $common --run runs/hdc\n)\n"
    )
    expected = "python train_unet.py --model unet --dropout 0 --seed 1 --run runs/unet"
    assert cards.command("unet") == expected
    expected = "python a/train_jax.py --dropout 0.1 --seed 1 --stems $DATA/x --run runs/hdc"
    assert cards.command("hdc") == expected
