#!/usr/bin/env bash
# Make the shipped models from the data: about fifteen hours on two CPU cores, a third of that
# time in bfloat16 (AMD's from Zen 4 on, Intel's with AMX), and three quarters of an hour on a GPU.
#
#     recipes/shipped/train.sh DATA
#
# DATA holds MIR-1K/ and stems/. A call that was interrupted goes on. Needs the
# environment (`. .venv/bin/activate`) and the extra `recipes`, for the last four stages
# JAX for the machine's GPU (`pip install 'jax[cuda13]'`), and for the last but one FluidSynth
# and its soundfont (`apt install fluidsynth fluid-soundfont-gm`).
set -eu
data=$(realpath "$1")
cd "$(dirname "$0")/../.."
python -c "import matplotlib, vocaltrack" 2> /dev/null || {
    echo "Activate the environment first; it needs pip install -e '.[recipes]'" >&2
    exit 2
}
python -c "import jax; assert jax.default_backend() == 'gpu'" 2> /dev/null || {
    echo "JAX finds no GPU, which the last four stages need: pip install 'jax[cuda13]'" >&2
    exit 2
}
command -v fluidsynth > /dev/null && [ -e /usr/share/sounds/sf2/FluidR3_GM.sf2 ] || {
    echo "The last but one stage needs FluidSynth: apt install fluidsynth fluid-soundfont-gm" >&2
    exit 2
}
for model in dc hdc unet uhnet; do
    if [ -e "runs/$model" ] && [ ! -L "runs/$model" ]; then
        echo "runs/$model is a run of yours, which would be taken for a shipped one; move it" >&2
        exit 2
    fi
done
gpu="--mir1k $data/MIR-1K --stems $data/stems --decoded decoded --learning-rate 1e-3"
common="--optimizer adam --decay cosine --dropout 0.1 --steps-per-epoch 150 --records records"

stage() {  # name commit: go to the package as it was then
    [ -e "runs/$1" ] || git worktree add "runs/$1" "$2"
    cd "runs/$1"
    export PYTHONPATH=$PWD
}

prepare() {
    python prepare_data.py --mir1k "$data/MIR-1K" --stems "$data/stems" -o records "$@"
}

begin() {  # folder models: make the runs that a GPU's start from, of SavedModels in a folder
    folder=$1
    shift
    for model in "$@"; do
        [ -e runs/$model-begin/best.keras ] || python recipes/shipped/unfold.py \
            "$folder/$model" --records records --run runs/$model-begin
    done
    anew "$@"
}

anew() {  # models: a GPU's run cannot be gone on with
    for model in "$@"; do
        [ -e runs/$model.done ] || rm -rf runs/$model
    done
}

# First stage, of the package as it was then: 64,000 chunks, nothing augmented.
(
    stage first 6d3feff
    prepare
    python train_clustering.py --model dc --epochs 10 $common --run runs/dc-first
    python train_clustering.py --model dc --epochs 6 $common --run runs/dc --initial runs/dc-first
    python train_clustering.py --model hdc --epochs 14 $common --run runs/hdc --initial runs/dc-first
    python train_unet.py --model unet --epochs 18 $common --run runs/unet
)
ln -sfn first/runs/dc runs/dc

# Second and third stage, of the package as it was then: 128,000 chunks, stems changed in
# speed by up to 3 semitones; the third at half the learning rate, down to zero.
(
    stage second 5f8f929
    prepare --train-chunks 128000 --seed 1
    half="--learning-rate 5e-4 --patience 100"
    python train_clustering.py --model hdc --epochs 16 $common --run runs/hdc-second \
        --initial ../first/runs/hdc
    python train_clustering.py --model hdc --epochs 18 $common $half --run runs/hdc \
        --initial runs/hdc-second
    common="$common --precision mixed_bfloat16"
    python train_unet.py --model unet --epochs 36 $common --run runs/unet-second \
        --initial ../first/runs/unet
    python train_unet.py --model unet --epochs 20 $common $half --run runs/unet \
        --initial runs/unet-second
)

# Fourth stage, of the package as it was then: new mixtures, of more singers.
(
    stage fourth 06fb8a2
    prepare --train-chunks 128000 --seed 2
    python train_clustering.py --model hdc --epochs 18 $common --patience 100 \
        --learning-rate 7e-4 --run runs/hdc --initial ../second/runs/hdc
    python train_unet.py --model unet --epochs 40 $common --patience 100 \
        --learning-rate 7e-4 --precision mixed_bfloat16 --run runs/unet \
        --initial ../second/runs/unet
    vocaltrack export --last runs/unet runs/saved/unet
)

# Fifth stage, of the package as it was then: more music without vocals; the U-net with
# residual layers.
(
    stage fifth 519949e
    prepare --train-chunks 128000 --seed 3
    python recipes/shipped/unfold.py ../fourth/runs/saved/unet --records records \
        --run runs/unet-begin
    python train_unet.py --model unet --epochs 28 $common --patience 100 --learning-rate 1e-3 \
        --run runs/unet --initial runs/unet-begin
)

# Sixth stage, of the package as it was then: backing voices, overdrive, other drums,
# softer voices.
(
    stage sixth 5365bc6
    prepare --train-chunks 128000 --seed 4
    python train_unet.py --model unet --epochs 32 $common --patience 100 --learning-rate 1e-3 \
        --run runs/unet --initial ../fifth/runs/unet
    python train_unet.py --model uhnet --epochs 10 $common --patience 100 --learning-rate 5e-4 \
        --run runs/uhnet --initial runs/unet --clustering ../fourth/runs/hdc
)

# Seventh stage, of the package as it was then: the two hybrids, on new mixtures.
(
    stage seventh d785aef
    prepare --train-chunks 128000 --seed 5
    python train_unet.py --model uhnet --epochs 36 $common --patience 100 --learning-rate 1e-3 \
        --run runs/uhnet --initial ../sixth/runs/uhnet --clustering ../fourth/runs/hdc
    python train_clustering.py --model hdc --epochs 36 $common --patience 100 \
        --learning-rate 1e-3 --dropout 0 --embedding-weight 0.25 --run runs/hdc \
        --initial ../fourth/runs/hdc
)
python recipes/shipped/average.py runs/sixth/runs/uhnet runs/seventh/runs/uhnet --run runs/mean

# Eighth stage, of the seventh's package and records: the uhnet over the new hdc.
(
    stage eighth d785aef
    python train_unet.py --model uhnet --epochs 16 $common --patience 100 --learning-rate 7e-4 \
        --records ../seventh/records --dropout 0 --run runs/uhnet --initial ../mean \
        --clustering ../seventh/runs/hdc
)
python recipes/shipped/average.py runs/mean runs/eighth/runs/uhnet --run runs/mean-eighth \
    --share 0.75

# Ninth stage, of the package as it was then, on a GPU: all but the dc, on mixtures that are
# heard once. It begins with the models of that package, which the stages before had made.
(
    stage ninth 82c76f6
    prepare --train-chunks 128000 --seed 6
    begin saved_models hdc unet uhnet
    [ -e runs/hdc.done ] || python recipes/shipped/train_jax.py --model hdc $gpu --epochs 14 \
        --steps-per-epoch 100 --batch-size 512 --initial runs/hdc-begin --run runs/hdc
    touch runs/hdc.done
    gpu="$gpu --batch-size 256 --precision mixed_bfloat16"
    [ -e runs/unet.done ] || python recipes/shipped/train_jax.py --model unet $gpu --epochs 13 \
        --steps-per-epoch 800 --initial runs/unet-begin --run runs/unet
    touch runs/unet.done
    [ -e runs/uhnet.done ] || python recipes/shipped/train_jax.py --model uhnet $gpu --epochs 12 \
        --steps-per-epoch 300 --initial runs/uhnet-begin --clustering runs/hdc --run runs/uhnet
    touch runs/uhnet.done
)
python recipes/shipped/average.py runs/ninth/runs/unet-begin runs/ninth/runs/unet --share 0.75 \
    --records runs/ninth/records --run runs/mean-ninth
python recipes/shipped/average.py runs/mean-ninth runs/ninth/runs/uhnet \
    --records runs/ninth/records --run runs/mean-uhnet
ln -sfn ninth/runs/hdc runs/hdc
ln -sfn mean-ninth runs/unet
ln -sfn mean-uhnet runs/uhnet
for model in hdc unet uhnet; do
    vocaltrack export --last runs/$model runs/saved/$model
done

# Tenth stage, of the package as it was then: the same on a GPU once more. The unet's ran
# beside the two others, each for the time that was there.
(
    stage tenth f8e4ccd
    prepare --train-chunks 16000 --seed 7
    begin ../saved hdc unet uhnet
    [ -e runs/hdc.done ] || python recipes/shipped/train_jax.py --model hdc $gpu --seconds 310 \
        --steps-per-epoch 100 --batch-size 512 --initial runs/hdc-begin --run runs/hdc
    touch runs/hdc.done
    gpu="$gpu --batch-size 256 --precision mixed_bfloat16"
    [ -e runs/unet.done ] || python recipes/shipped/train_jax.py --model unet $gpu --seconds 709 \
        --steps-per-epoch 400 --initial runs/unet-begin --run runs/unet
    touch runs/unet.done
    [ -e runs/uhnet.done ] || python recipes/shipped/train_jax.py --model uhnet $gpu \
        --seconds 320 --steps-per-epoch 200 --initial runs/uhnet-begin --clustering runs/hdc \
        --run runs/uhnet
    touch runs/uhnet.done
)
python recipes/shipped/average.py runs/tenth/runs/unet-begin runs/tenth/runs/unet --share 0.75 \
    --records runs/tenth/records --run runs/mean-unet-tenth
python recipes/shipped/average.py runs/mean-unet-tenth runs/tenth/runs/uhnet \
    --records runs/tenth/records --run runs/mean-uhnet-tenth
ln -sfn tenth/runs/hdc runs/hdc
for model in unet uhnet; do
    mean=mean-$model-tenth
    vocaltrack export --last runs/$mean runs/saved-tenth/$model
done

# Eleventh stage, of the package as it was then: the U-nets on a GPU, with invented music
# beside that of the data, echoes and compressors; the uhnet from its mean with the new unet.
(
    stage eleventh 17883a3
    cp -rsfL --no-preserve=mode "$data/stems" .
    python recipes/shipped/synthetic_music.py -o stems --songs 240
    python prepare_data.py --mir1k "$data/MIR-1K" --stems stems -o records \
        --train-chunks 16000 --seed 8
    begin ../saved-tenth unet uhnet
    gpu="$gpu --stems stems --batch-size 256 --precision mixed_bfloat16"
    [ -e runs/unet.done ] || python recipes/shipped/train_jax.py --model unet $gpu --seconds 358 \
        --steps-per-epoch 400 --initial runs/unet-begin --run runs/unet
    touch runs/unet.done
    python recipes/shipped/average.py runs/unet runs/uhnet-begin --run runs/mean
    [ -e runs/uhnet.done ] || python recipes/shipped/train_jax.py --model uhnet $gpu \
        --seconds 368 --steps-per-epoch 200 --initial runs/mean --run runs/uhnet
    touch runs/uhnet.done
)

# Twelfth stage, of the package as it was then: rough voices, more overdrive, and mixtures
# with gaps, soft passages and hits; a third of the invented music.
(
    stage twelfth 4e89bd7
    cp -rsfL --no-preserve=mode "$data/stems" .
    invented=$(ls -d "$PWD"/../eleventh/stems/train/synthetic-* | awk 'NR % 3 == 1')
    cp -rsfLt stems/train $invented
    anew unet uhnet
    gpu="$gpu --stems stems --batch-size 256 --precision mixed_bfloat16 --steps-per-epoch 1000"
    [ -e runs/unet.done ] || python recipes/shipped/train_jax.py --model unet $gpu --seconds 347 \
        --initial ../eleventh/runs/unet --run runs/unet
    touch runs/unet.done
    python recipes/shipped/average.py runs/unet ../eleventh/runs/uhnet --run runs/mean
    [ -e runs/uhnet.done ] || python recipes/shipped/train_jax.py --model uhnet $gpu \
        --seconds 350 --initial runs/mean --run runs/uhnet
    touch runs/uhnet.done
)
for model in unet uhnet; do
    ln -sfn twelfth/runs/$model runs/$model
done

vocaltrack export runs/dc saved_models/dc
for model in hdc unet uhnet; do
    vocaltrack export --last runs/$model saved_models/$model
done
models="--model dc --model hdc --model hdc:clusters --model unet --model uhnet"
python evaluate.py --mir1k "$data/MIR-1K" $models --json recipes/shipped/mir1k.json
python evaluate.py --stems "$data/stems" $models --json recipes/shipped/stems.json
python recipes/shipped/cards.py
