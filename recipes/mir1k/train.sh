#!/usr/bin/env bash
# Train and score under the protocol of Huang et al. (2014): about nine hours on two
# cores of AMD's Zen 5; longer on others, much longer where bfloat16 is not fast.
#
#     recipes/mir1k/train.sh DATA
#
# DATA holds MIR-1K/. A call that was interrupted goes on. Needs the environment
# (`. .venv/bin/activate`) and the extra `recipes`. The U-nets see the same
# chunks for the same number of steps, with and without the masks, from two
# seeds. Two networks are trained at a time, one on each of the cores 0 and 1 (taskset,
# of Linux), which takes a tenth to a fifth less time than one after the other on both; what
# they print is in the logs beside their runs.
set -eu
data=$(realpath "$1")
cd "$(dirname "$0")/../.."
python -c "import matplotlib, vocaltrack" 2> /dev/null || {
    echo "Activate the environment first; it needs pip install -e '.[recipes]'" >&2
    exit 2
}
runs=runs/mir1k
common="--optimizer adam --decay cosine --dropout 0.1 --patience 100 --steps-per-epoch 150"
common="$common --epochs 24 --records records/mir1k"

python recipes/mir1k/prepare.py "$data/MIR-1K" -o records/mir1k
mkdir -p $runs
trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT  # Ctrl-C does not reach them
trainings=()
train_on_core() {  # core run command: in the background
    echo "training $runs/$2, see $runs/$2.log"
    taskset -c "$1" python "${@:3}" --run "$runs/$2" > "$runs/$2.log" 2>&1 &
    trainings+=($!)
}
until_done() {  # those given, by their numbers
    for training in "$@"; do
        wait "$training" || { echo "a training failed, see the logs in $runs" >&2; exit 1; }
    done
}
from_two_seeds() {  # run options: two networks at a time; SEED in the options is 0 and 1
    local options=("${@:2}") seed
    for seed in 0 1; do
        train_on_core $seed "$1-$seed" train_unet.py "${options[@]//SEED/$seed}" --seed $seed
    done
    until_done "${trainings[@]}"
}
clustering="--model hdc $common --embedding-weight 0.25"
train_on_core 0 dc train_clustering.py --model dc $common
train_on_core 1 hdc train_clustering.py $clustering
until_done "${trainings[@]}"
unets="$common --precision mixed_bfloat16"
masks="--clustering $runs/hdc"
from_two_seeds unet --model unet $unets
from_two_seeds uhnet --model uhnet $unets $masks

# Ways on from either U-net, 1200 steps each: without masks, and with masks made worse in
# training.
on="$unets --epochs 8 --learning-rate 3e-4"
worse="--clustering-dropout 0.3"
from_two_seeds unet-on --model unet $on --initial $runs/unet-SEED
from_two_seeds uhnet-on --model uhnet $on $masks $worse --initial $runs/unet-SEED

# A U-net of twice the filters, and meanwhile from unet-0 alone: with an hdc that goes on
# learning, and with the masks of the other U-net. Then the hdc alone goes on, for 1200 and
# again for 3600 steps, each from the full learning rate.
train_on_core 0 wide-0 train_unet.py --model unet $unets --filters 32
train_on_core 1 uhnet-tuned train_unet.py --model uhnet $on $masks $worse --fine-tune \
    --initial $runs/unet-0
until_done $!
[[ -e $runs/masks-of-unet-1 ]] ||
    python recipes/mir1k/masks_of_unet.py $runs/unet-1 $runs/masks-of-unet-1
train_on_core 1 uhnet-of-unet train_unet.py --model uhnet $on $worse \
    --clustering $runs/masks-of-unet-1 --initial $runs/unet-0
until_done $!
train_on_core 1 hdc-on train_clustering.py $clustering --epochs 8 --initial $runs/hdc
until_done $!
train_on_core 1 hdc-long train_clustering.py $clustering --initial $runs/hdc-on
until_done $! "${trainings[@]}"  # the long one last

# The ways on from either U-net with masks made worse once more, with those of this hdc.
from_two_seeds uhnet-long --model uhnet $on --clustering $runs/hdc-long $worse \
    --initial $runs/unet-SEED

# The larger U-net in the same two ways, and all of it from a second seed.
wide="$on --filters 32 --initial $runs/wide-"
long="--clustering $runs/hdc-long $worse"
train_on_core 0 wide-1 train_unet.py --model unet $unets --filters 32 --seed 1
train_on_core 1 wide-on-0 train_unet.py --model unet ${wide}0
until_done $!
train_on_core 1 uhnet-wide-0 train_unet.py --model uhnet ${wide}0 $long
until_done "${trainings[@]}"
train_on_core 0 wide-on-1 train_unet.py --model unet ${wide}1 --seed 1
train_on_core 1 uhnet-wide-1 train_unet.py --model uhnet ${wide}1 $long --seed 1
until_done "${trainings[@]}"

saved=$runs/saved
score() {  # report systems: export them, and score them on both splits
    local systems=("${@:2}") system split
    for system in "${systems[@]}"; do
        [[ $system == *:* ]] || vocaltrack export --last "$runs/$system" "$saved/$system"
    done
    for split in test valid; do
        python recipes/mir1k/score.py "$data/MIR-1K" "${systems[@]/#/$saved/}" \
            --split $split --json "recipes/mir1k/$1-$split.json"
    done
}
score scores dc hdc hdc:clusters unet-0 unet-1 uhnet-0 uhnet-1
score scores-on unet-on-0 unet-on-1 uhnet-on-0 uhnet-on-1 uhnet-tuned
score scores-further uhnet-of-unet
score scores-long hdc-long uhnet-long-0 uhnet-long-1
score scores-wide wide-0 wide-1 wide-on-0 wide-on-1 uhnet-wide-0 uhnet-wide-1
python recipes/mir1k/mask_quality.py "$data/MIR-1K" $runs/uhnet-0 $runs/unet-1 \
    --json recipes/mir1k/mask-quality.json
python recipes/mir1k/compare.py recipes/mir1k/scores*-{valid,test}.json
python recipes/mir1k/curves.py $runs recipes/mir1k/curves.png
