"""The twins in PyTorch of vocaltrack's networks, for speed_pytorch.py."""

import torch
from torch import nn
from torch.nn import functional

from vocaltrack.config import CLUSTERING_MODELS

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
    if name in CLUSTERING_MODELS:
        return Clustering(clustering, name == "hdc")
    kind = {"strided": StridedUnet, "double": DoubleUnet}[unet.style]
    if name == "unet":
        return kind(unet).to(memory_format=torch.channels_last)
    return Uhnet(build("hdc", configs), kind(unet, 3).to(memory_format=torch.channels_last))
