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
from timing import BATCH, NETWORKS, chunks_a_second, fast_precisions
from torch import nn
from torch.nn import functional

from vocaltrack.config import PRESETS, preset

FRAMES, MELS = 128, 128


class Clustering(nn.Module):
    """The Bi-GRU with its embeddings and, for hdc, the mask head."""

    def __init__(self, config, mask_head):
        super().__init__()
        self.gru = nn.GRU(
            MELS,
            config.units,
            config.layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.dropout,
        )
        self.projection = nn.Linear(2 * config.units, MELS * config.embedding_size)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(MELS * config.embedding_size, 2 * MELS) if mask_head else None
        self.size = config.embedding_size

    def forward(self, log_mel):
        x = self.projected(log_mel)
        vectors = torch.tanh(x).unflatten(-1, (MELS, self.size))
        vectors = functional.normalize(vectors.float(), dim=-1)
        return vectors, None if self.head is None else self.masks(x)

    def projected(self, log_mel):
        # nn.GRU drops between its layers only, vocaltrack after the last too.
        return self.projection(self.dropout(self.gru(log_mel)[0]))

    def masks(self, projected):
        head = self.head(self.dropout(projected))
        return head.unflatten(-1, (MELS, 2)).float().softmax(-1)


class StridedUnet(nn.Module):
    """The compact U-net: 5x5 convolutions that pool by their stride, residual
    layers at the two lowest levels."""

    def __init__(self, config, channels=1):
        super().__init__()
        f = config.filters
        sizes = (f, 2 * f, 4 * f, 8 * f, 8 * f)
        self.down = nn.ModuleList(
            _down(i, o, 5, 1 + (n > 0), nn.LeakyReLU(0.2))
            for n, (i, o) in enumerate(zip((channels, *sizes), sizes))
        )
        self.lowest = nn.Sequential(
            Residual(8 * f, 12 * f),
            FrequencyResidual(8 * f * MELS // 16, 16 * f),
            Residual(8 * f, 12 * f),
        )
        low = nn.Sequential(Residual(8 * f, 4 * f), FrequencyResidual(8 * f * MELS // 8, 8 * f))
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False),
                nn.BatchNorm2d(o),
                nn.ReLU(),
                nn.Identity() if n else low,
                nn.Dropout(config.dropout if n < 2 else 0.0),
            )
            for n, (i, o) in enumerate(
                ((8 * f, 8 * f), (16 * f, 4 * f), (8 * f, 2 * f), (4 * f, f))
            )
        )
        self.logits = nn.Sequential(
            nn.Conv2d(2 * f, 5, (1, 5), padding=(0, 2), bias=False),
            nn.Conv2d(5, 1, (5, 1), padding=(2, 0)),
        )

    def forward(self, x):
        skips = []
        for layer in self.down:
            x = layer(x)
            skips.append(x)
        x = self.lowest(skips.pop())
        for layer in self.up:
            x = torch.cat([skips.pop(), layer(x)], 1)
        return self.logits(x)


class Residual(nn.Module):
    """Two 3x3 convolutions."""

    def __init__(self, channels, filters):
        super().__init__()
        self.layers = nn.Sequential(
            _down(channels, filters, 3, 1, nn.ReLU()),
            nn.Conv2d(filters, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        return x + self.layers(x)


class FrequencyResidual(nn.Module):
    """Two dense layers over all bands and channels of a frame."""

    def __init__(self, size, units):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(size, units, bias=False), _FrameNorm(units), nn.ReLU())
        self.outer = nn.Sequential(nn.Linear(units, size, bias=False), _FrameNorm(size))

    def forward(self, x):
        frames = x.permute(0, 2, 3, 1).flatten(2)
        y = self.outer(self.inner(frames))
        return x + y.unflatten(2, (x.shape[3], x.shape[1])).permute(0, 3, 1, 2)


class _FrameNorm(nn.BatchNorm1d):
    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class DoubleUnet(nn.Module):
    """The paper's U-net: two 3x3 convolutions a level, max pooling."""

    def __init__(self, config, channels=1):
        super().__init__()
        f = config.filters
        sizes = (f, 2 * f, 4 * f, 8 * f, 8 * f)
        self.down = nn.ModuleList(_double(i, o) for i, o in zip((channels, *sizes), sizes))
        below, beside, out = (
            (8 * f, 4 * f, 2 * f, f),
            (8 * f, 4 * f, 2 * f, f),
            (4 * f, 2 * f, f, f),
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, b, 2, 2) for b in below)
        self.join = nn.ModuleList(_double(a + b, o) for a, b, o in zip(below, beside, out))
        self.dropout = nn.Dropout(config.dropout)
        self.logits = nn.Conv2d(f, 1, 1)

    def forward(self, x):
        skips = []
        for level, layer in enumerate(self.down):
            x = functional.max_pool2d(x, 2) if level else x
            x = layer(self.dropout(x) if level >= 3 else x)
            skips.append(x)
        skips.pop()
        for up, join in zip(self.up, self.join):
            x = join(torch.cat([skips.pop(), up(x)], 1))
        return self.logits(x)


class Uhnet(nn.Module):
    """A U-net over the log-mel and the masks of a frozen hdc."""

    def __init__(self, clustering, unet):
        super().__init__()
        self.clustering, self.unet = clustering.requires_grad_(False), unet

    def forward(self, x):
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            clustering = self.clustering.eval()
            masks = clustering.masks(clustering.projected(x[:, 0])).permute(0, 3, 1, 2)
        return self.unet(torch.cat([x, masks.to(x.dtype)], 1))


def _down(inputs, outputs, size, stride, activation):
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), activation)


def _double(inputs, outputs):
    return nn.Sequential(
        _down(inputs, outputs, 3, 1, nn.ReLU()), _down(outputs, outputs, 3, 1, nn.ReLU())
    )


def build(name, configs):
    """The twin of one of the four networks."""
    clustering, unet = configs
    if name in ("dc", "hdc"):
        return Clustering(clustering, name == "hdc")
    kind = {"strided": StridedUnet, "double": DoubleUnet}[unet.style]
    if name == "unet":
        return kind(unet).to(memory_format=torch.channels_last)
    return Uhnet(build("hdc", configs), kind(unet, 3).to(memory_format=torch.channels_last))


def predict(name, model, log_mel):
    """What a network makes of a batch [batch, frames, mels]."""
    if name in ("dc", "hdc"):
        return model(log_mel)
    image = log_mel[:, None].to(memory_format=torch.channels_last)
    return torch.sigmoid(model(image)[:, 0].float())


def loss_of(name, outputs, share, weight):
    """The training loss of a network's outputs."""
    if name in ("unet", "uhnet"):
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
    for name, precision in itertools.product(NETWORKS, fast_precisions()):
        print(measure(name, preset(options.preset), precision, options.steps), flush=True)
    print(f"\ntorch {torch.__version__}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
