"""A network's optimizer and losses."""

import keras

from vocaltrack.config import UNETS
from vocaltrack.losses import DeepClusteringLoss

WARMUP_STEPS = 200
GRADIENT_NORM = 5.0


def compile_model(model, config):
    """Give a network its optimizer and losses.

    Args:
        model: `keras.Model`, changed in place.
        config: `TrainingConfig`.
    """
    loss, weights = losses(config)
    model.compile(optimizer(config), loss=loss, loss_weights=weights)
    # Keras traces the first step a second time where that step makes these variables.
    model.optimizer.build(model.trainable_variables)


def optimizer(config):
    """The `keras.optimizers.Optimizer` of a `TrainingConfig`."""
    rate = config.learning_rate
    if config.decay == "cosine":
        steps = config.epochs * config.steps_per_epoch
        warmup = min(WARMUP_STEPS, steps // 10)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warmup), warmup_target=rate, warmup_steps=warmup
        )
    optimizers = {"rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}
    return optimizers[config.optimizer](rate, clipnorm=GRADIENT_NORM)


def losses(config):
    """The losses of a `TrainingConfig`'s network and their weights in the sum.

    Returns:
        (loss, weights): a `keras.losses.Loss` and None for the U-nets; for dc and hdc
        dicts from an output's name to its loss and to its weight.
    """
    mask_loss = keras.losses.BinaryCrossentropy()
    if config.model in UNETS:
        return mask_loss, None
    embeddings = DeepClusteringLoss(config.target_columns)
    if config.model == "dc":
        return {"embeddings": embeddings}, {"embeddings": 1.0}
    share = config.embedding_weight
    weights = {"embeddings": share, "masks": 1.0 - share}
    return {"embeddings": embeddings, "masks": mask_loss}, weights
