"""The README's tables of scores are those that commands wrote, and what it names is there."""

import json
import re
import shlex

import pytest

from tests.paths import REPOSITORY
from vocaltrack.cli import build_parser
from vocaltrack.evaluation import table

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["mir1k", "stems"])
def test_the_score_tables_are_the_evaluations(name):
    report = json.loads((REPOSITORY / "recipes" / "shipped" / f"{name}.json").read_text())
    assert table(report).strip() in README


def test_the_levers_are_those_of_the_benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import levers

    rows = json.loads((REPOSITORY / "benchmarks" / "levers.json").read_text())["rows"]
    assert set(rows) <= set(levers.LEVERS)
    assert "\n".join(levers.row(name, rows) for name in rows) in README


def test_the_set_up_without_make_is_what_make_does():
    makefile = (REPOSITORY / "Makefile").read_text()
    assert ".venv/bin/python -m pytest" in makefile and ".venv/bin/python -m pytest" in README
    assert "-e '.[test]'" in makefile and "-e '.[test]'" in README
    assert (REPOSITORY / ".ci" / "run").read_text().strip().endswith("make test")


SCRIPTS = {"prepare_data.py": "prepare"} | {
    f"{name}.py": name.replace("_", "-")
    for name in ("separate", "evaluate", "train_clustering", "train_unet")
}


def commands():
    """The words of each command in the README's shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].endswith("python") and words[1] != "-m":
                yield words[1:]
            elif words and words[0] == "vocaltrack":
                yield words


def test_the_commands_take_the_options_that_the_readme_gives_them():
    listed = list(commands())
    assert len(listed) > 20
    for script, *words in listed:
        if script in SCRIPTS or script == "vocaltrack":
            build_parser().parse_args([SCRIPTS[script], *words] if script in SCRIPTS else words)
            continue
        text = (REPOSITORY / script).read_text(encoding="utf-8")
        given = {word for word in words if word.startswith("--")}
        known = {
            flag: rest for flag, rest in re.findall(r'add_argument\(\s*"(--[\w-]+)"(.*)', text)
        }
        assert given <= set(known), script
        assert {flag for flag, rest in known.items() if "required=True" in rest} <= given, script


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
