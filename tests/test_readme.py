"""The tables of the README and of the pages it links are those that commands wrote, and what
they name is there."""

import csv
import json
import re
import shlex

import numpy as np
import pytest

from tests.paths import REPOSITORY
from vocaltrack.cli import build_parser
from vocaltrack.config import MODEL_NAMES
from vocaltrack.contract import read_contract
from vocaltrack.evaluation import _summary, table
from vocaltrack.jsonfiles import write_json
from vocaltrack.metrics import METRICS

PAGES = {
    folder: (REPOSITORY / folder / "README.md").read_text(encoding="utf-8")
    for folder in (".", "benchmarks", "recipes/mir1k", "recipes/shipped")
}
README = PAGES["."]


@pytest.fixture(params=["mir1k", "stems"])
def report(request):
    """A report whose songs and instrumentals have the numbers that null stands for in JSON."""
    report = json.loads((REPOSITORY / "recipes" / "shipped" / f"{request.param}.json").read_text())
    for scores in (system for song in report["songs"].values() for system in song.values()):
        silent = {metric: -np.inf if metric.startswith("SI-") else np.nan for metric in scores}
        scores.update({metric: silent[metric] for metric, s in scores.items() if s is None})
    for leaks in report["instrumentals"].values():
        leaks.update({system: -np.inf for system, leak in leaks.items() if leak is None})
    return report


def test_the_score_tables_are_the_evaluations(report):
    assert table(report).strip() in README


def test_the_summaries_are_those_of_the_songs(report):
    for system, summary in report["summary"].items():
        for metric in METRICS:
            values = np.array([song[system][metric] for song in report["songs"].values()])
            known = values[np.isfinite(values)]
            ranked = values[~np.isnan(values)]
            assert summary[metric]["median"] == pytest.approx(np.median(ranked))
            assert summary[metric]["mean"] == pytest.approx(np.mean(known))
        if "instrumental_db" in summary:
            leaks = np.array([leak[system] for leak in report["instrumentals"].values()])
            assert summary["instrumental_db"]["worst"] == leaks.max()
            median = summary["instrumental_db"]["median"]
            assert (-np.inf if median is None else median) == np.median(leaks)


def test_evaluate_makes_the_summaries_of_the_songs(report, tmp_path):
    write_json(tmp_path / "summary.json", _summary(report))
    assert json.loads((tmp_path / "summary.json").read_text()) == report["summary"]


def test_no_scored_song_was_heard_and_no_singer_is_in_two_splits():
    splits = json.loads((REPOSITORY / "recipes" / "shipped" / "splits.json").read_text())
    report = json.loads((REPOSITORY / "recipes" / "shipped" / "mir1k.json").read_text())
    assert set(report["songs"]) == {f"MIR-1K/{song}" for song in splits["valid"]}
    train, valid = ({s.rsplit("_", 1)[0] for s in splits[name]} for name in ("train", "valid"))
    assert train and valid and not train & valid
    for model in MODEL_NAMES:
        contract = read_contract(REPOSITORY / "saved_models" / model)
        assert {f"MIR-1K/{song}" for song in splits["train"]} < set(contract["heard"])
        assert set(report["songs"]) < set(contract["validated"])
        assert not {f"MIR-1K/{song}" for song in splits["valid"]} & set(contract["heard"])


def test_the_levers_are_those_of_the_benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import levers

    rows = json.loads((REPOSITORY / "benchmarks" / "levers.json").read_text())["rows"]
    assert set(rows) == set(levers.LEVERS)
    assert "\n".join(levers.row(name, rows) for name in levers.LEVERS) in PAGES["benchmarks"]


@pytest.mark.parametrize("name", ["choices", "real_stereo", "soft_voices"])
def test_the_tables_of_the_benchmarks_are_their_outputs(name):
    printed = (REPOSITORY / "benchmarks" / f"{name}.md").read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", printed, re.MULTILINE)
    assert tables
    for rows in tables:
        # What a user may choose, or asks first, is in the README.
        folder = "." if rows.startswith(("| overlap |", "| mixtures |")) else "benchmarks"
        assert rows in PAGES[folder]


def test_the_set_up_without_make_is_what_make_does():
    makefile = (REPOSITORY / "Makefile").read_text()
    tests = re.search(r"^\t(.* -m pytest.*)$", makefile, re.MULTILINE)[1]
    assert f"{tests}\n" in README
    assert "-e '.[test]'" in makefile and "-e '.[test]'" in README
    assert (REPOSITORY / ".ci" / "run").read_text().strip().endswith("make test")


SCRIPTS = {"prepare_data.py": "prepare"} | {
    f"{name}.py": name.replace("_", "-")
    for name in ("separate", "evaluate", "train_clustering", "train_unet")
}


def commands():
    """The words of each command in the pages' shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", "".join(PAGES.values()), flags=re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].endswith("python") and words[1] != "-m":
                yield words[1:]
            elif words and words[0] == "vocaltrack":
                yield words


def test_the_commands_take_the_options_that_the_pages_give_them():
    listed = list(commands())
    assert len(listed) > 20
    for script, *words in listed:
        if script in SCRIPTS or script == "vocaltrack":
            build_parser().parse_args([SCRIPTS[script], *words] if script in SCRIPTS else words)
            continue
        text = (REPOSITORY / script).read_text(encoding="utf-8")
        if "add_datasets(parser)" in text:
            text += (REPOSITORY / "benchmarks" / "excerpts.py").read_text(encoding="utf-8")
        given = {word for word in words if word.startswith("--")}
        known = {
            flag: rest for flag, rest in re.findall(r'add_argument\(\s*"(--[\w-]+)"(.*)', text)
        }
        assert given <= set(known), script
        assert {flag for flag, rest in known.items() if "required=True" in rest} <= given, script


@pytest.mark.parametrize("folder", PAGES)
def test_what_a_page_links_is_there(folder):
    links = re.findall(r"\]\(([^)]+)\)", without_code(PAGES[folder]))
    links = [link for link in links if "://" not in link]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = REPOSITORY / folder / (path or "README.md")
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def anchors(page):
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def without_code(page):
    return re.sub(r"```.*?```", "", page, flags=re.DOTALL)


def test_every_module_has_its_place_in_the_map():
    modules = {p.name for p in (REPOSITORY / "vocaltrack").glob("*.py")} - {"__init__.py"}
    page = README.split("## Where the data goes")[1].split("\n## ")[0]
    assert set(re.findall(r"`(\w+\.py)`", page)) == modules


@pytest.mark.parametrize("model", ["dc", "hdc", "unet", "uhnet"])
def test_each_model_has_a_card_with_its_curve(model, shipped_recipe):
    folder = REPOSITORY / "saved_models" / model
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert (folder / "curve.png").stat().st_size > 1000
    with open(folder / "training.csv", newline="") as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    best = f"best validation loss {min(losses):.4f} in epoch {losses.index(min(losses)) + 1}"
    assert best in card
    # The scores are the reports'; cards.py wrote it and nobody since.
    cards = shipped_recipe("cards")
    assert cards.card(model, cards.section(card, "Training"), cards.shipped_report()) == card
    for part in (
        "## Trained on",
        "## Training",
        "## Scores",
        "| oracle |",
        "| mixture |",
        "bad at",
    ):
        assert part in card
