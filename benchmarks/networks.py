"""The strided U-net with its parts exchangeable, for levers.py."""

from keras import layers

from vocaltrack.unet import low_residuals, lowest_residuals

FILTERS = (16, 32, 64, 128, 128)


def shipped_low(x, level):
    """The residual layers of the shipped U-net."""
    return lowest_residuals(x, FILTERS[0]) if level == 4 else x


def shipped_low_up(x, level):
    """The same on the way up."""
    return low_residuals(x, FILTERS[0]) if level == 3 else x


def unet(
    x,
    filters=FILTERS,
    norm=True,
    down=shipped_low,
    up=shipped_low_up,
    convolution=layers.Conv2D,
):
    """The strided U-net with its parts exchangeable.

    Args:
        x: [batch, time, mel, channels].
        filters: of each level.
        norm: batch norms, but for those of residual layers.
        down, up: applied after each level's convolution, take (x, level).
        convolution: of the levels on the way down.
    """

    def act(x, slope):
        x = layers.BatchNormalization()(x) if norm else x
        return layers.LeakyReLU(slope)(x)

    x = act(convolution(filters[0], 5, padding="same", use_bias=not norm)(x), 0.2)
    skips = [x]
    for level, width in enumerate(filters[1:], start=1):
        x = act(convolution(width, 5, 2, padding="same", use_bias=not norm)(x), 0.2)
        x = down(x, level)
        skips.append(x)
    x = skips.pop()
    for level, width in reversed(list(enumerate(filters[:-1]))):
        x = layers.Conv2DTranspose(width, 4, 2, padding="same", use_bias=not norm)(x)
        x = up(act(x, 0.0), level)
        x = layers.Dropout(0.1)(x) if level >= 2 else x
        x = layers.Concatenate()([skips.pop(), x])
    x = layers.Conv2D(5, (1, 5), padding="same", use_bias=False)(x)
    return layers.Conv2D(1, (5, 1), padding="same")(x)


def unchanged(x, level):
    """No layers besides."""
    return x


def frequency_dense(x, level):
    """A dense block along frequency (TDF of TFC-TDF), as a residual."""
    if level < 1:
        return x
    bands = x.shape[2]
    y = layers.Permute((1, 3, 2))(x)
    y = layers.Dense(max(8, bands // 4), activation="relu")(y)
    y = layers.Dense(bands)(y)
    y = layers.BatchNormalization(gamma_initializer="zeros", axis=-1)(y)
    return layers.Add()([x, layers.Permute((1, 3, 2))(y)])
