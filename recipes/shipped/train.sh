#!/usr/bin/env bash
# Make the shipped models from the data: about two hours on two CPU cores.
#
#     recipes/shipped/train.sh DATA
#
# DATA holds MIR-1K/ and stems/. A call that was interrupted goes on. Needs the
# environment (`. .venv/bin/activate`) and the extra `recipes`.
set -eu
data=$1
cd "$(dirname "$0")/../.."

python prepare_data.py --mir1k "$data/MIR-1K" --stems "$data/stems" -o records

common="--optimizer adam --decay cosine --dropout 0.1 --steps-per-epoch 150 --records records"
python train_clustering.py --model dc --epochs 10 $common --run runs/dc-first
python train_clustering.py --model dc --epochs 6 $common --run runs/dc --initial runs/dc-first
python train_clustering.py --model hdc --epochs 14 $common --run runs/hdc --initial runs/dc-first
python train_unet.py --model unet --epochs 18 $common --run runs/unet
python train_unet.py --model uhnet --epochs 11 $common --run runs/uhnet \
    --initial runs/unet --clustering runs/hdc

for model in dc hdc unet uhnet; do
    vocaltrack export runs/$model saved_models/$model
done
models="--model dc --model hdc --model hdc:clusters --model unet --model uhnet"
python evaluate.py --mir1k "$data/MIR-1K" $models --json recipes/shipped/mir1k.json
python evaluate.py --stems "$data/stems" $models --json recipes/shipped/stems.json
python recipes/shipped/cards.py
