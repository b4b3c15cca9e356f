#!/usr/bin/env bash
# Make the shipped models from the data: about seven hours on two CPU cores.
#
#     recipes/shipped/train.sh DATA
#
# DATA holds MIR-1K/ and stems/. A call that was interrupted goes on. Needs the
# environment (`. .venv/bin/activate`) and the extra `recipes`.
set -eu
data=$(realpath "$1")
cd "$(dirname "$0")/../.."
# First to third lessons, of the package as it was then (its train.sh says which):
# stems changed in speed by up to 3 semitones, voices with the formants they had.
before=runs/before
[ -e $before ] || git worktree add $before 5f8f929
PYTHONPATH=$PWD/$before $before/recipes/shipped/train.sh "$data"

# Fourth lessons: new mixtures of more singers.
common="--optimizer adam --decay cosine --dropout 0.1 --steps-per-epoch 150 --patience 100"
common="$common --records records"
python prepare_data.py --mir1k "$data/MIR-1K" --stems "$data/stems" -o records \
    --train-chunks 128000 --seed 2
ln -sfn before/runs/dc runs/dc
python train_clustering.py --model hdc --epochs 18 $common --learning-rate 7e-4 \
    --run runs/hdc --initial $before/runs/hdc
common="$common --precision mixed_bfloat16"
python train_unet.py --model unet --epochs 40 $common --learning-rate 7e-4 \
    --run runs/unet --initial $before/runs/unet
python train_unet.py --model uhnet --epochs 16 $common --learning-rate 5e-4 \
    --run runs/uhnet --initial runs/unet --clustering runs/hdc

vocaltrack export runs/dc saved_models/dc
for model in hdc unet uhnet; do
    vocaltrack export --last runs/$model saved_models/$model
done
models="--model dc --model hdc --model hdc:clusters --model unet --model uhnet"
python evaluate.py --mir1k "$data/MIR-1K" $models --json recipes/shipped/mir1k.json
python evaluate.py --stems "$data/stems" $models --json recipes/shipped/stems.json
python recipes/shipped/cards.py
