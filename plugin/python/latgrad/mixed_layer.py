"""One searched layer of a supernet, as a module."""

from typing import List, Optional, Sequence

from torch import Tensor, nn


class MixedLayer(nn.Module):
    """The candidate blocks of one layer, mixed by weights.

        layer = latgrad.MixedLayer([conv3x3, conv5x5, None])    # the third candidate is not offered here
        y = layer(x, weights[..., 0, :])                        # weights [..., L, C] of all layers, this is the first

    The weights are architecture probabilities, or the Gumbel-softmax sample that the latency is computed from.

    blocks: C modules that take the layer's input and have outputs of the same shape; None where the space offers no
    candidate (a row of ``LatencyModel.valid()``). Block ``k`` is the submodule ``blocks.k``. A candidate that is not
    offered never runs, and its weight is not read.

    Raises TypeError for a block that is neither a module nor None, and ValueError if no candidate is offered.
    """

    num_candidates: int
    offered: List[int]

    def __init__(self, blocks: Sequence[Optional[nn.Module]]) -> None:
        super().__init__()
        for index, block in enumerate(blocks):
            if block is not None and not isinstance(block, nn.Module):
                raise TypeError(f"blocks must hold modules and None, got {type(block).__name__} at {index}")
        self.num_candidates = len(blocks)
        self.offered = [index for index, block in enumerate(blocks) if block is not None]
        if not self.offered:
            raise ValueError(f"blocks must offer at least one candidate, got {self.num_candidates}, all of them None")
        # A dictionary, because a list cannot have gaps and, in TorchScript, cannot hold None.
        self.blocks = nn.ModuleDict({str(index): block for index, block in enumerate(blocks) if block is not None})

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """The sum over the offered candidates of weight times output.

        x: the input of the blocks, ``[N, ...]`` if there are weights per element of the batch.
        weights: ``[C]``, one sample for the whole batch, or ``[N, C]``, one per element of the batch. They are converted
        to the dtype of the outputs.

        Raises ValueError if a shape does not fit.
        """
        if weights.dim() != 1 and weights.dim() != 2:
            raise ValueError(f"weights must be [candidates] or [batch, candidates], got {list(weights.shape)}")
        if weights.shape[-1] != self.num_candidates:
            raise ValueError(
                f"weights must have one number for each of the {self.num_candidates} candidates in its last dimension, "
                f"got {list(weights.shape)}"
            )
        if weights.dim() == 2 and (x.dim() == 0 or weights.shape[0] != x.shape[0]):
            raise ValueError(
                f"weights per element must have the batch of x, got {list(weights.shape)} for x {list(x.shape)}"
            )
        total: Optional[Tensor] = None
        for position, block in enumerate(self.blocks.values()):
            candidate = self.offered[position]
            output = block(x)
            weight = weights[..., candidate].to(output.dtype)
            if weights.dim() == 2:
                weight = weight.reshape([-1] + [1] * (output.dim() - 1))
            if total is None:
                total = weight * output
            else:
                if output.shape != total.shape:
                    raise ValueError(
                        f"blocks must have outputs of the same shape, got {list(output.shape)} from block {candidate} "
                        f"and {list(total.shape)} before it"
                    )
                total = total + weight * output
        assert total is not None
        return total
