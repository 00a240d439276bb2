"""Maps of transformers: what attention carries from the patches to what is read out.

Axes: n image, h head, q query, k key, p patch. What a map is given of each layer is made by a
function of its own (`mean_weights`, `positive_relevance`, …), so that one layer is held at a time.
The row `read` (q) says which queries of the last layer the network reads, in shares of 1: the
class token's alone, or all patches'. The first `prefix` keys are no patches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.attention import Attention
from seewhy.errors import LayerError
from seewhy.methods.precision import as_float32, quotient


def mean_weights(attention: Attention) -> Float[ndarray, "n q k"]:
    """Return the mean of a layer's weights over its heads."""
    return np.asarray(attention.weights.mean(axis=1))


def positive_relevance(attention: Attention) -> Float[ndarray, "n q k"]:
    """Return the mean over heads of relu(∂s/∂A · A)."""
    assert attention.gradients is not None
    return np.asarray(np.maximum(attention.weights * attention.gradients, 0).mean(axis=1))


def positive_gradients(attention: Attention) -> Float[ndarray, "n k"]:
    """Return the mean over heads and queries of relu(∂s/∂A)."""
    assert attention.gradients is not None
    return np.asarray(np.maximum(attention.gradients, 0).mean(axis=(1, 2)))


def attention_rollout(
    attentions: Sequence[Float[ndarray, "n _q k"]], read: Float[ndarray, " q"], prefix: int
) -> Float[ndarray, "n p"]:
    """Multiply attention through all layers, as if nothing but it mixed tokens (rollout).

        Â[l]    = (mean over heads of A[l] + I) / 2
        M[n, p] = sum over q of read[q] · (Â[L] · … · Â[1])[n, q, prefix + p]

    The same map whatever the class: a baseline that methods with gradients must beat.

    Args:
        attentions: `mean_weights` of each layer, the first one first.
        read: which queries of the last layer are read.
        prefix: keys before the first patch.

    Returns:
        The map, between 0 and 1; with the other tokens' shares it adds up to 1.

    Source:
        Abnar and Zuidema, *Quantifying Attention Flow in Transformers*, ACL 2020, equation 1
        (arXiv:2005.00928).
    """
    row = _first_row(attentions[-1], read)
    for weights in reversed(attentions):
        passed = np.einsum("nq,nqk->nk", row, weights)
        row = (passed + row) / 2 if weights.shape[1] == weights.shape[2] else passed
    return as_float32(row[:, prefix:])


def chefer(
    attentions: Sequence[Float[ndarray, "n _q k"]], read: Float[ndarray, " q"], prefix: int
) -> Float[ndarray, "n p"]:
    """Carry what speaks for the class from layer to layer along attention (Chefer et al.).

        Ē[l]    = mean over heads of relu(∂s/∂A[l] · A[l])
        R       ← R + Ē[l] · R for each layer, from R = I
        M[n, p] = sum over q of read[q] · (R − I)[n, q, prefix + p]

    Args:
        attentions: `positive_relevance` of each layer that is looked at, the first one first.
        read: which queries of the last layer are read.
        prefix: keys before the first patch.

    Returns:
        The map, not negative, in the units of the score.

    Source:
        Chefer, Gur and Wolf, *Generic Attention-model Explainability for Interpreting Bi-Modal and
        Encoder-Decoder Transformers*, ICCV 2021, equations 5 and 6 (arXiv:2103.15679).

    Differs from the paper:
        I is left out of the result: it adds nothing to the row of a class token, and the same
        to every patch where the patches are averaged. The paper looks at all layers; its authors
        limit their notebook for CLIP to the last one.
    """
    start = row = _first_row(attentions[-1], read)
    for relevance in reversed(attentions):
        passed = np.einsum("nq,nqk->nk", row, relevance)
        is_square = relevance.shape[1] == relevance.shape[2]
        row = passed + row if is_square else passed
    return as_float32((row - start if row.shape == start.shape else row)[:, prefix:])


def legrad(attentions: Sequence[Float[ndarray, "n k"]], prefix: int) -> Float[ndarray, "n p"]:
    """Average how much more attention to a patch would raise each layer's own score (LeGrad).

        M[n, p] = mean over layers, heads and queries of relu(∂s[l]/∂A[l])[…, prefix + p]

    s[l] is the score that the network's end gives to what block l puts out.

    Args:
        attentions: `positive_gradients` of each layer, by its own block's score.
        prefix: keys before the first patch.

    Returns:
        The map, not negative, in the units of the score.

    Source:
        Bousselham et al., *LeGrad: An Explainability Method for Vision Transformers via Feature
        Formation Sensitivity*, ICCV 2025 (arXiv:2404.03214).

    Differs from the paper:
        A block's output is read as the network reads its last one (a class token, or a mean), where
        the authors' code takes the mean over all tokens. The map is not scaled.
    """
    means: ndarray = np.stack(attentions).mean(axis=0, dtype=np.float64)
    return as_float32(means[:, prefix:])


def grad_eclip(
    attentions: Sequence[Attention], read: Float[ndarray, " q"], prefix: int
) -> Float[ndarray, "n p"]:
    """Weigh the last layer's values by their gradient, and by likeness to what reads (Grad-ECLIP).

        λ[n, p] = cos(q[n], k[n, p]), scaled to 0 … 1 over the patches
        M[n, p] = relu(sum over d of ∂s/∂o[n, d] · v[n, p, d] · λ[n, p])

    o is what the attention puts out for the query that is read, and ∂s/∂o · v is ∂s/∂A, so that
    no values are needed. Heads are taken together for the cosine.

    Args:
        attentions: that of the last layer, alone, with queries and keys.
        read: which of its queries are read; q is their mean.
        prefix: keys before the first patch.

    Returns:
        The map, not negative, in the units of the score.

    Raises:
        LayerError: the network does not show queries and keys.

    Source:
        Zhao et al., *Gradient-based Visual Explanation for Transformer-based CLIP*, ICML 2024,
        equations 4 to 7 (arXiv:2502.18816).

    Differs from the paper:
        The authors' code puts q and k through the output projection, and runs the last layer with
        one head; here they are the network's own, as in the paper.
    """
    (attention,) = attentions
    if attention.queries is None or attention.keys is None or attention.gradients is None:
        raise LayerError(
            "This network does not show the queries and keys of its attention, which the method "
            "'grad-eclip' compares. Use 'chefer' or 'grad-cam'"
        )
    query = np.einsum("q,nhqd->nhd", read, attention.queries, dtype=np.float64)
    keys = attention.keys[:, :, prefix:].astype(np.float64)
    products = np.einsum("nhd,nhkd->nk", query, keys)
    lengths = np.sqrt((keys**2).sum(axis=(1, 3)) * (query**2).sum(axis=(1, 2))[:, None])
    cosines = quotient(products, lengths)
    lowest = cosines.min(axis=1, keepdims=True)
    likeness = quotient(cosines - lowest, cosines.max(axis=1, keepdims=True) - lowest)
    slopes = attention.gradients.sum(axis=(1, 2), dtype=np.float64)[:, prefix:]
    return as_float32(np.maximum(slopes * likeness, 0))


def _first_row(last: Float[ndarray, "n q _k"], read: Float[ndarray, " q"]) -> Float[ndarray, "n q"]:
    return np.broadcast_to(read, (len(last), len(read)))
