"""Write the model card of each shipped model from its run and the evaluation.

    python recipes/shipped/cards.py

Reads runs/<model>/{run.json,log.csv} and recipes/shipped/{mir1k,stems}.json;
writes saved_models/<model>/README.md, training.csv and curve.png. Where a model
has no run, its card keeps what it says of the training.
"""

import argparse
import math
import re
import shutil
from pathlib import Path

from card_texts import ABOUT, DATA, EMBEDS, INVENTED, SEPARATES, USE, WEAK

from vocaltrack.config import UNETS
from vocaltrack.errors import exits_on_user_error
from vocaltrack.jsonfiles import read_json
from vocaltrack.metrics import METRICS, median
from vocaltrack.run_files import read_log

REPOSITORY = Path(__file__).resolve().parents[2]


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    report = shipped_report()
    for model in ABOUT:
        run = REPOSITORY / "runs" / model
        folder = REPOSITORY / "saved_models" / model
        if run.exists():
            log = read_log(run)
            stage = training(model, read_json(run / "run.json", "the run"), log)
            shutil.copy(run / "log.csv", folder / "training.csv")
            draw_curve(log, folder / "curve.png", model)
        else:
            stage = section((folder / "README.md").read_text(encoding="utf-8"), "Training")
        (folder / "README.md").write_text(card(model, stage, report), encoding="utf-8")


def shipped_report():
    """Both reports of the shipped models in one."""
    report, stems = (
        read_json(REPOSITORY / "recipes/shipped" / name, "the report")
        for name in ("mir1k.json", "stems.json")
    )
    report["songs"].update(stems["songs"])
    report["instrumentals"].update(stems["instrumentals"])
    return report


def section(text, title):
    """What a card says under a title."""
    return text.split(f"## {title}\n\n")[1].split("\n\n## ")[0]


def draw_curve(log, path, model):
    """Training and validation loss of each epoch as a small picture."""
    import matplotlib  # which the tests do without

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    epochs = [int(row["epoch"]) + 1 for row in log]
    for column, label in (("loss", "training"), ("val_loss", "validation")):
        axes.plot(epochs, [float(row[column]) for row in log], marker="o", label=label)
    axes.set(xlabel="epoch", ylabel="loss", title=f"{model}: loss by epoch")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def card(model, stage, report):
    lines = [
        f"# {model}",
        "",
        ABOUT[model],
        "",
        "## Use",
        "",
        USE.format(model=model, call=EMBEDS if model == "dc" else SEPARATES),
        "",
        "## Trained on",
        "",
        DATA.format(invented=f";{INVENTED}" if model in UNETS else "."),
        "",
        "## Training",
        "",
        stage,
        "",
        "## Scores",
        "",
        *scores(model, report),
        "",
        "## What it is bad at",
        "",
        WEAK[model],
        *worst(model, report),
        "",
    ]
    return "\n".join(lines)


def training(model, description, log):
    """What a card says of the training."""
    settings = description["training"]
    best = min(log, key=lambda row: float(row["val_loss"]))
    steps = len(log) * settings["steps_per_epoch"]
    trained = command(model)
    where = "one GPU (NVIDIA H200)" if "train_jax" in trained else "two CPU cores"
    averaged = ""
    if "averaged_with" in description:
        share = f"{1 - description['share']:.0%}"
        other = read_json(REPOSITORY / description["averaged_with"] / "run.json", "the run")
        is_unet = other["training"]["model"] == "unet" != model
        whose = "of the unet" if is_unet else "that it started from"
        averaged = f", averaged with those {whose} ({share} of the mean)"
    if description.get("norms_of"):
        averaged += "; the norms' statistics were measured anew"
    return (
        f"`{trained}`, on {where}, in a checkout of {commit(model)}; "
        "[train.sh](../../recipes/shipped/train.sh) has the whole of it: how the records were "
        "made, and the earlier stages of the run that this one started from; all stages of all "
        "models took about fifteen hours on two CPU cores and three quarters of an hour on a "
        "GPU.\n\n"
        f"{steps} steps of {settings['batch_size']} chunks in {len(log)} epochs; best "
        f"validation loss {float(best['val_loss']):.4f} in epoch {int(best['epoch']) + 1}. Dropout "
        f"{description['network']['dropout']}, {settings['optimizer']}, learning rate "
        f"{settings['learning_rate']} with {settings['decay']} decay. The weights are those of "
        f"the {'best' if model == 'dc' else 'last'} epoch{averaged}.\n\n"
        "![loss by epoch](curve.png) ([training.csv](training.csv))"
    )


def command(model):
    """The last line of train.sh that trains a model, as it is run: of an option that is
    there twice, the second. $DATA stands for the folder of the data."""
    before, words = training_line(model)
    before = re.sub(r"^\(\n.*?^\)\n", "", before, flags=re.DOTALL | re.MULTILINE)  # subshells
    settings = re.finditer(r'^ *(\w+)="(.*)"$', before, re.MULTILINE)
    values = {"data": "$DATA"}
    for setting in settings:
        name, value = setting.groups()
        values[name] = re.sub(r"\$(\w+)", lambda m: values[m[1]], value)
    words = re.sub(r"\$(\w+)", lambda m: values[m[1]], words)
    command, *options = " ".join(words.split()).split(" --")
    return " --".join([command, *{option.split()[0]: option for option in options}.values()])


def commit(model):
    """The commit of the package whose last stage of train.sh trains a model."""
    before, _ = training_line(model)
    return re.findall(r"^ *stage \w+ (\w+)$", before, re.MULTILINE)[-1]


def training_line(model):
    """(what train.sh has before the last line that trains a model, that line)."""
    text = (REPOSITORY / "recipes/shipped/train.sh").read_text().replace("\\\n", " ")
    pattern = rf"python \S*train_.*--run runs/{model}(?: .*)?$"
    line = list(re.finditer(pattern, text, re.MULTILINE))[-1]
    return text[: line.start()], line[0]


def scores(model, report):
    """Medians of the systems of one model over the validation songs."""
    systems = ["mixture", "oracle", *(s for s in report["summary"] if s.split(":")[0] == model)]
    groups = {
        "songs of MIR-1K": [k for k in report["songs"] if k.startswith("MIR-1K/")],
        "other songs": [k for k in report["songs"] if not k.startswith("MIR-1K/")],
    }
    yield (
        f"Validation songs at 16 kHz, median over songs; {report['versions']['metric']}; "
        f"museval {report['versions']['museval']}. `evaluate.py` as in "
        "[train.sh](../../recipes/shipped/train.sh); the whole reports are "
        "[mir1k.json](../../recipes/shipped/mir1k.json) and "
        "[stems.json](../../recipes/shipped/stems.json)."
    )
    for name, keys in groups.items():
        yield ""
        yield f"{len(keys)} {name if len(keys) > 1 else 'other song, Everything is Free'}:"
        yield ""
        yield "| system | " + " | ".join(METRICS) + " |"
        yield "|" + "---|" * (len(METRICS) + 1)
        for system in systems:
            cells = [median([score(report, key, system, m) for key in keys]) for m in METRICS]
            yield f"| {system} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |"
    yield ""
    for system in systems[2:]:
        leaks = [leakage(report, key, system) for key in report["instrumentals"]]
        yield (
            f"On {len(leaks)} instrumentals {system} puts out {median(leaks):.1f} dB relative to "
            f"the input (median; worst {max(leaks):.1f} dB; -inf is silence)."
        )


def score(report, song, system, metric):
    """A score; null stands for -inf in SI-SDR (silence), else for undefined."""
    value = report["songs"][song][system][metric]
    if value is None:
        return -math.inf if metric.startswith("SI-SDR") else math.nan
    return value


def leakage(report, song, system):
    """Output level on an instrumental in dB; null stands for -inf, silence."""
    value = report["instrumentals"][song][system]
    return -math.inf if value is None else value


def worst(model, report):
    """The songs and instrumentals that a model does worst on."""
    song = min(report["songs"], key=lambda key: score(report, key, model, "SI-SDRi"))
    gain = score(report, song, model, "SI-SDRi")
    loud = sorted(report["instrumentals"], key=lambda k: -leakage(report, k, model))[:3]
    yield ""
    change = "improved" if gain > 0 else "worsened"
    yield f"- Worst validation song: {song}, SI-SDR {change} by {abs(gain):.1f} dB."
    listed = ", ".join(f"{key} ({leakage(report, key, model):.1f} dB)" for key in loud)
    yield f"- Loudest output from instrumental music: {listed}."


if __name__ == "__main__":
    with exits_on_user_error():
        main()
