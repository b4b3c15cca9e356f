"""Training and inference of the four networks' twins in PyTorch.

    python benchmarks/speed_pytorch.py [--preset compact]

Needs PyTorch (the extra `benchmark`). Same layers, parameters, losses, optimizer
and batch as vocaltrack's networks, on random chunks; run eagerly, as PyTorch
mostly is, where Keras traces a graph; convolutions in the channels-last
layout, which is the faster one on CPUs.
"""

import argparse
import contextlib
import itertools

import torch
from networks_pytorch import FRAMES, MELS, build
from timing import BATCH, chunks_a_second, fast_precisions
from torch import nn
from torch.nn import functional

from vocaltrack.config import CLUSTERING_MODELS, MODEL_NAMES, PRESETS, UNETS, preset


def predict(name, model, log_mel):
    """What a network makes of a batch [batch, frames, mels]."""
    if name in CLUSTERING_MODELS:
        return model(log_mel)
    image = log_mel[:, None].to(memory_format=torch.channels_last)
    return torch.sigmoid(model(image)[:, 0].float())


def loss_of(name, outputs, share, weight):
    """The training loss of a network's outputs."""
    if name in UNETS:
        return functional.binary_cross_entropy(outputs, share, weight)
    vectors, masks = outputs
    loss = clustering_loss(vectors.flatten(1, 2), (share > 0.5).flatten(1))
    if masks is None:
        return loss
    shares = torch.stack([share, 1.0 - share], -1)
    mask_loss = functional.binary_cross_entropy(masks, shares, weight[..., None])
    return 0.5 * loss + 0.5 * mask_loss


def clustering_loss(vectors, vocals):
    labels = torch.stack([vocals, ~vocals], -1).float()
    scale = vectors.shape[1] ** -0.5
    vectors, labels = vectors * scale, labels * scale
    grams = ((vectors, vectors, 1.0), (labels, labels, 1.0), (vectors, labels, -2.0))
    return sum(w * (a.mT @ b).square().sum((1, 2)) for a, b, w in grams).mean()


def measure(name, configs, precision, steps):
    """A row of the table."""
    model = build(name, configs)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.RMSprop(trained, lr=1e-3, alpha=0.9)
    log_mel = torch.randn(BATCH, FRAMES, MELS)
    share, weight = torch.rand(BATCH, FRAMES, MELS), torch.rand(BATCH, FRAMES, MELS)

    def lowered():
        wanted = precision == "mixed_bfloat16"
        return torch.autocast("cpu", torch.bfloat16) if wanted else contextlib.nullcontext()

    def train():
        optimizer.zero_grad()
        with lowered():
            outputs = predict(name, model, log_mel)
        loss_of(name, outputs, share, weight).backward()
        for parameter in trained:  # each alone, as the clipnorm of Keras
            nn.utils.clip_grad_norm_(parameter, 5.0)
        optimizer.step()

    def infer():
        with torch.no_grad(), lowered():
            predict(name, model, log_mel)

    training = chunks_a_second(train, steps)
    model.eval()
    statistics = [b for b in model.buffers() if b.dim()]
    size = sum(p.numel() for p in (*model.parameters(), *statistics))
    inference = chunks_a_second(infer, steps)
    return f"| {name} | {size:,} | {precision} | {training:.1f} | {inference:.1f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=tuple(PRESETS), default="compact")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    print(
        "\n| PyTorch twin | parameters | precision | training | inference |\n|---|---|---|---|---|"
    )
    for name, precision in itertools.product(MODEL_NAMES, fast_precisions()):
        print(measure(name, preset(options.preset), precision, options.steps), flush=True)
    print(f"\ntorch {torch.__version__}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
