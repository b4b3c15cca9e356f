"""What an hdc's masks must be like for the U-net to gain by them.

    python recipes/mir1k/mask_quality.py DATA/MIR-1K RUNS/uhnet-0 RUNS/unet-1 --json FILE

In a trained uhnet the masks of its hdc are replaced: by the same with a share of the ideal
masks in them, and by those of a U-net. Both the masks and what the uhnet makes of them are
scored as score.py scores the oracle. Nothing is trained; the networks are those of the runs'
last epochs.
"""

import argparse
from pathlib import Path

from protocol import SPLITS, clips_to_score
from score import score

from vocaltrack.errors import exits_on_user_error
from vocaltrack.files import check_file_writable
from vocaltrack.jsonfiles import write_json

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="folder of MIR-1K")
    parser.add_argument("uhnet", help="run of a uhnet")
    parser.add_argument("unet", help="run of a unet, whose masks it gets")
    parser.add_argument("--json", help="write the averages here")
    options = parser.parse_args()
    if options.json:
        check_file_writable(options.json)
    separate, features = separation_with_other_masks(options.uhnet, options.unet)
    # Of both, before it takes minutes to score one.
    clips = {split: clips_to_score(options.root, split) for split in SPLITS}
    averages = {}
    for split in SPLITS:
        report = score(clips[split], separate, features.sample_rate)
        averages[split] = {part: report[part] for part in ("summary", "versions")}
    if options.json:
        write_json(options.json, averages)
    print(table(averages))


def table(averages):
    """What each mask reaches alone and what the uhnet does with it, as Markdown.

    Args:
        averages: dict from a split to "summary", see `score.score`.
    """
    heads = [f"{split}: {what}" for split in SPLITS for what in ("the masks", "the uhnet")]
    lines = [f"| masks | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    scores = {split: averages[split]["summary"]["systems"] for split in SPLITS}
    for masks in scores["test"]:
        systems = masks, f"uhnet, {masks}"
        if systems[1] in scores["test"]:
            values = [
                scores[split][system]["all"]["GNSDR"] for split in SPLITS for system in systems
            ]
            lines.append(f"| {masks} | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    return "\n".join(lines)


def separation_with_other_masks(uhnet_run, unet_run):
    """What `score.score` takes, of a uhnet with other masks than its hdc's.

    Args:
        uhnet_run, unet_run: folders of the runs.

    Returns:
        (separate, features): the function, whose systems are "hdc + 10%" for the hdc's masks
        with a tenth of the ideal ones in them, "uhnet, hdc + 10%" for the uhnet with these,
        and so on for each of `SHARES`, and the same of the U-net's masks, by the name of its
        run; and their `FeatureConfig`.

    Raises:
        UserError: the runs are of other networks, or their features differ.
    """
    import keras
    from keras import ops

    from vocaltrack.chunks import join_chunks, split_chunks
    from vocaltrack.features import waveform_to_log_mel
    from vocaltrack.models import vocals_mask
    from vocaltrack.runs import load_run
    from vocaltrack.silence import as_heard
    from vocaltrack.song_scores import oracle_vocals, separate_stems
    from vocaltrack.targets import proportion_mask

    uhnet, description = load_run(uhnet_run, last=True, wanted=("uhnet",))
    other_unet, other_description = load_run(unet_run, last=True, wanted=("unet",))
    features = description["features"]
    features.check_same(other_description["features"], uhnet_run, unet_run)
    hdc, masks_of_hdc = uhnet.get_layer("hdc"), uhnet.get_layer("log_mel_and_masks").input[1]
    behind_hdc = keras.Model([uhnet.input, masks_of_hdc], uhnet.output)

    def separate(vocals, accompaniment):
        mixture = vocals + accompaniment
        estimates, masks = separate_stems(vocals, accompaniment, {}, features)
        waves = vocals, accompaniment, mixture
        log_mels = [waveform_to_log_mel(wave, features) for wave in waves]
        *stems, chunks = (split_chunks(log_mel, features) for log_mel in log_mels)
        heard, ideal = as_heard(chunks, features), proportion_mask(*stems, features)
        of_hdc = vocals_mask(hdc, heard)
        given = {f"hdc + {share:.0%}": of_hdc + share * (ideal - of_hdc) for share in SHARES}
        given[Path(unet_run).name] = vocals_mask(other_unet, heard)
        for label, mask in given.items():
            both = ops.stack([mask, 1.0 - mask], axis=-1)
            with_these = behind_hdc([heard, both], training=False)[..., 0]
            for system, found in {label: mask, f"uhnet, {label}": with_these}.items():
                masks[system] = join_chunks(found, len(log_mels[-1]), features).numpy()
                estimates[system] = oracle_vocals(mixture, masks[system], features)
        return estimates, masks

    return separate, features


if __name__ == "__main__":
    with exits_on_user_error():
        main()
