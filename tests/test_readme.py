"""The README's tables of scores are those that commands wrote, and what it names is there."""

import json
import re

import pytest

from tests.paths import REPOSITORY
from vocaltrack.evaluation import table

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["mir1k", "stems"])
def test_the_score_tables_are_the_evaluations(name):
    report = json.loads((REPOSITORY / "recipes" / "shipped" / f"{name}.json").read_text())
    assert table(report).strip() in README


def test_the_set_up_without_make_is_what_make_does():
    makefile = (REPOSITORY / "Makefile").read_text()
    assert ".venv/bin/python -m pytest" in makefile and ".venv/bin/python -m pytest" in README
    assert "-e '.[test]'" in makefile and "-e '.[test]'" in README
    assert (REPOSITORY / ".ci" / "run").read_text().strip().endswith("make test")


def test_every_file_that_the_readme_links_is_there():
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", prose) if "://" not in link]
    assert links and all((REPOSITORY / link).exists() for link in links)


def test_every_module_has_its_place_in_the_map():
    modules = {p.name for p in (REPOSITORY / "vocaltrack").glob("*.py")} - {"__init__.py"}
    listed = set(re.findall(r"`(\w+\.py)`", README.split("## Where the data goes")[1]))
    assert modules <= listed


@pytest.mark.parametrize("model", ["dc", "hdc", "unet", "uhnet"])
def test_each_model_has_a_card_with_its_curve(model):
    folder = REPOSITORY / "saved_models" / model
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert (folder / "curve.png").stat().st_size > 1000
    for part in (
        "## Trained on",
        "## Training",
        "## Scores",
        "| oracle |",
        "| mixture |",
        "bad at",
    ):
        assert part in card
