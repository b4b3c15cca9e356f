"""The losses of the paper, in `keras.ops`."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("vocaltrack")
class DeepClusteringLoss(keras.losses.Loss):
    """Low-rank deep clustering loss (paper, equation 2; Hershey et al. 2016).

    Computes ‖VᵀV‖² + ‖YᵀY‖² − 2‖VᵀY‖², which equals ‖VVᵀ − YYᵀ‖² without the
    TF × TF matrices, over the bins that sound, divided by the square of
    their number. Float32 whatever the policy, since the three terms cancel.

    Args:
        columns: 2 for the target of Hershey et al. (vocals, accompaniment);
            1 for the paper's Y ∈ R^{TF×1}, under which two accompaniment
            bins have the target affinity 0, so that the loss rewards
            scattering the accompaniment.

    Call arguments:
        y_true: [batch, time, mel, 2]: the binary vocal mask, and the weight
            of each bin (1 where the mixture sounds, else 0).
        y_pred: [batch, time, mel, D], unit-length embeddings. Of both, time and mel are known.
    """

    def __init__(self, columns=2, name="deep_clustering", reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if columns not in (1, 2):
            raise ValueError(f"columns must be 1 or 2, not {columns}")
        self.columns = columns

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, "float32")
        y_pred = ops.cast(y_pred, "float32")
        bins = y_true.shape[1] * y_true.shape[2]
        target = ops.reshape(y_true, (-1, bins, 2))
        vectors = ops.reshape(y_pred, (-1, bins, y_pred.shape[-1]))
        vocals, weight = target[..., :1], target[..., 1:]
        labels = vocals if self.columns == 1 else ops.concatenate([vocals, 1.0 - vocals], axis=-1)
        # Scaling both sides first keeps the sums near 1, where float32 cancels best.
        scale = ops.sqrt(weight / ops.maximum(ops.sum(weight, axis=1, keepdims=True), 1.0))
        vectors, labels = vectors * scale, labels * scale
        loss = _gram_norm(vectors, vectors) + _gram_norm(labels, labels)
        return ops.maximum(loss - 2.0 * _gram_norm(vectors, labels), 0.0)

    def get_config(self):
        return {**super().get_config(), "columns": self.columns}


def _gram_norm(a, b):
    """‖AᵀB‖² of each example: [batch, bins, m], [batch, bins, n] -> [batch]."""
    gram = ops.matmul(ops.transpose(a, (0, 2, 1)), b)
    return ops.sum(ops.square(gram), axis=(1, 2))
