"""One searched layer of a supernet, as a module."""

import math
from typing import Any, List, Optional, Sequence, Tuple, Union

from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten


class MixedLayer(nn.Module):
    """The candidate blocks of one layer, mixed by weights.

        layer = latgrad.MixedLayer([conv3x3, conv5x5, None])    # the third candidate is not offered here
        y = layer(x, weights[..., 0, :])                        # weights [..., L, C] of all layers, this is the first

    The weights are architecture probabilities, or the Gumbel-softmax sample that the latency is computed from.

    blocks: C modules that take the layer's input and have outputs of the same shape; None where the space offers no
    candidate (a row of ``LatencyModel.valid()``). Block ``k`` is the submodule ``blocks.k``. A candidate that is not
    offered never runs, and its weight is not read.
    paths: ``"all"`` runs every candidate that is offered. A number reads the weights and runs only the candidates whose weight
    is not 0, of which there may be so many at most. The parameters of the others have no gradient (None), so that neither
    momentum nor weight decay moves them. What reaches theta is, with ``g_k`` the gradient of the output times the output of ``k``:

    ==========  ================================================  ==========================================================
    ``paths``   weights                                           gradient
    ==========  ================================================  ==========================================================
    ``"all"``   ``gumbel_latency(...)``, soft                     of ``sum_k w_k g_k``, exact for the sample (FBNet)
    ``1``       ``gumbel_latency(..., hard=True)``, one-hot       of ``w_k g_k`` of the chosen ``k`` alone, ``w_k`` the soft weight
                                                                  (straight-through; GDAS)
    ``2``       ``two_path_sample(theta)``, one-hot               of ``q_i g_i + q_j g_j``, ``q`` the probabilities of two paths,
                                                                  rescaled to sum to 1 (ProxylessNAS, section 3.2.1, equation 4)
    ==========  ================================================  ==========================================================

    A weight of minus zero, which ``two_path_sample`` gives to the path that is not active, marks a candidate that runs for its
    weight's gradient alone: its output is not in the sum, and its parameters have no gradient. To read the weights waits for the
    device and breaks torch.compile's graph.

    A block returns a tensor, or a tuple, list or dictionary of tensors, which are mixed one by one; all blocks return the
    same. In TorchScript a layer takes its input and the weights alone, and mixes tensors.

    Sources: Wu et al., FBNet, CVPR 2019; Dong and Yang, GDAS, CVPR 2019; Cai et al., ProxylessNAS, ICLR 2019.

    Raises TypeError for a block that is neither a module nor None, and ValueError if no candidate is offered or for other paths.
    """

    num_candidates: int
    offered: List[int]

    def __init__(self, blocks: Sequence[Optional[nn.Module]], paths: Union[str, int] = "all") -> None:
        super().__init__()
        for index, block in enumerate(blocks):
            if block is not None and not isinstance(block, nn.Module):
                raise TypeError(f"blocks must hold modules and None, got {type(block).__name__} at {index}")
        self.num_candidates = len(blocks)
        self.offered = [index for index, block in enumerate(blocks) if block is not None]
        if not self.offered:
            raise ValueError(f"blocks must offer at least one candidate, got {self.num_candidates}, all of them None")
        if paths != "all" and (isinstance(paths, (str, bool)) or paths < 1):
            raise ValueError(f'paths must be "all", or how many candidates run at most, got {paths!r}')
        self.paths = paths
        # A dictionary, because a list cannot have gaps and, in TorchScript, cannot hold None.
        self.blocks = nn.ModuleDict({str(index): block for index, block in enumerate(blocks) if block is not None})

    def forward(
        self, x: Any, weights: Tensor, *arguments: Any, host_weights: Optional[Tensor] = None, **named: Any
    ) -> Any:
        """The sum over the offered candidates of weight times output.

        x: the input of the blocks, ``[N, ...]`` if there are weights per element of the batch.
        weights: ``[C]``, one sample for the whole batch, or ``[N, C]``, one per element of the batch. They are converted
        to the dtype of the outputs.
        host_weights: the same on the CPU, from a caller who reads those of all layers at once; only where ``paths`` is a number.
        Further arguments go to every block as they are.

        Raises ValueError if a shape or device does not fit, or if blocks return different things; TypeError for a block that
        returns something that cannot be mixed.
        """
        _check_weights(weights, self.num_candidates)
        if isinstance(x, Tensor):
            _check_batch(weights, x)
        if self.paths == "all":
            candidates, inactive = self.offered, []
        else:
            read = weights if host_weights is None else host_weights
            candidates, inactive = _chosen(read.detach(), self.offered, self.paths)
        total: Any = None
        for candidate in candidates:
            output = self.blocks[str(candidate)](x, *arguments, **named)
            if candidate in inactive:
                output = tree_map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, output)
            total = _mixed(total, output, weights, candidate)
        return total

    def __prepare_scriptable__(self) -> nn.Module:
        if self.paths != "all":
            raise ValueError(f"a layer with paths={self.paths} cannot be scripted: TorchScript would run every block")
        scriptable = _ScriptableMixedLayer.__new__(_ScriptableMixedLayer)
        scriptable.__dict__ = self.__dict__
        return scriptable


class _ScriptableMixedLayer(MixedLayer):
    """What TorchScript compiles, which knows no further arguments. It puts this in the place of the layer that it was given."""

    num_candidates: int
    offered: List[int]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.__class__ = MixedLayer  # which it was
        return self(*arguments, **named)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        _check_weights(weights, self.num_candidates)
        _check_batch(weights, x)
        total: Optional[Tensor] = None
        for position, block in enumerate(self.blocks.values()):
            candidate = self.offered[position]
            scaled = _scaled(block(x), weights, candidate)
            if total is None:
                total = scaled
            else:
                total = _added(total, scaled, candidate)
        assert total is not None
        return total


def mixed_in_turn(layers: nn.ModuleList, x: Any, weights: Tensor) -> Any:
    """``x`` through the layers, mixed by weights ``[..., L, C]``. The device is waited for once, where layers read theirs."""
    read = weights.detach().cpu() if any([layer.paths != "all" for layer in layers]) else None
    for index, layer in enumerate(layers):
        own = (..., index, slice(layer.num_candidates))
        if layer.paths == "all":
            x = layer(x, weights[own])
        else:
            x = layer(x, weights[own], host_weights=read[own])
    return x


def _check_weights(weights: Tensor, num_candidates: int) -> None:
    if weights.dim() != 1 and weights.dim() != 2:
        raise ValueError(f"weights must be [candidates] or [batch, candidates], got {list(weights.shape)}")
    if weights.shape[-1] != num_candidates:
        raise ValueError(
            f"weights must have one number for each of the {num_candidates} candidates in its last dimension, "
            f"got {list(weights.shape)}"
        )


def _check_batch(weights: Tensor, x: Tensor) -> None:
    if weights.dim() == 2 and (x.dim() == 0 or weights.shape[0] != x.shape[0]):
        raise ValueError(
            f"weights per element must have the batch of x, got {list(weights.shape)} for x {list(x.shape)}"
        )


def _chosen(weights: Tensor, offered: List[int], paths: int) -> Tuple[List[int], List[int]]:
    """The candidates that run, and those of them whose weight is minus zero."""
    if weights.dim() != 1:
        raise ValueError(f"weights must be [candidates], one sample, where paths={paths}, got {list(weights.shape)}")
    values = weights.tolist()
    active = [candidate for candidate, value in enumerate(values) if value != 0]
    inactive = [candidate for candidate, value in enumerate(values) if value == 0 and math.copysign(1, value) < 0]
    if not active or len(active) + len(inactive) > paths or not set(active + inactive) <= set(offered):
        sample = {1: "; gumbel_latency with hard=True gives such a sample", 2: "; two_path_sample gives such a sample"}
        raise ValueError(
            f"weights must choose at most {paths} of the candidates {offered}, and be 0 elsewhere, where paths={paths}, "
            f"got {values}{sample.get(paths, '')}"
        )
    return sorted(active + inactive), inactive


def _check_leaf(leaf: Any, candidate: int, weights: Tensor) -> None:
    if leaf is None:
        return
    if not isinstance(leaf, Tensor) or not (leaf.is_floating_point() or leaf.is_complex()):
        what = f"a tensor of {leaf.dtype}" if isinstance(leaf, Tensor) else type(leaf).__name__
        raise TypeError(
            "a block must return a tensor of floating point numbers, or a tuple, list or dictionary of such tensors and "
            f"None, got {what} from block {candidate}"
        )
    if weights.dim() == 2 and (leaf.dim() == 0 or leaf.shape[0] != weights.shape[0]):
        raise ValueError(
            f"weights per element need outputs with the batch of weights first, {weights.shape[0]}, got {list(leaf.shape)} "
            f"from block {candidate}"
        )
    if leaf.device != weights.device:
        raise ValueError(
            f"weights must be on the device of the blocks' outputs, {leaf.device}, got {weights.device}: move theta there"
        )


def _scaled(output: Tensor, weights: Tensor, candidate: int) -> Tensor:
    weight = weights[..., candidate].to(output.dtype)
    if weights.dim() == 2:
        weight = weight.reshape([-1] + [1] * (output.dim() - 1))
    return weight * output


def _added(total: Tensor, scaled: Tensor, candidate: int) -> Tensor:
    if scaled.shape != total.shape:
        raise ValueError(
            f"blocks must have outputs of the same shape, got {list(scaled.shape)} from block {candidate} "
            f"and {list(total.shape)} before it"
        )
    return total + scaled


def _mixed(total: Any, output: Any, weights: Tensor, candidate: int) -> Any:
    """total + weight * output, leaf by leaf; of the first block, whose `total` is None, weight * output."""
    if isinstance(output, Tensor) and (total is None or isinstance(total, Tensor)):
        _check_leaf(output, candidate, weights)
        scaled = _scaled(output, weights, candidate)
        return scaled if total is None else _added(total, scaled, candidate)
    leaves, form = tree_flatten(output if total is None else _in_order_of(total, output))
    for leaf in leaves:
        _check_leaf(leaf, candidate, weights)
    scaled_leaves = [None if leaf is None else _scaled(leaf, weights, candidate) for leaf in leaves]
    if total is None:
        return tree_unflatten(scaled_leaves, form)
    total_leaves, total_form = tree_flatten(total)
    if form != total_form:
        raise ValueError(
            "blocks must return the same tuples, lists or dictionaries of tensors, got "
            f"{_described(output)} from block {candidate} and {_described(total)} before it; "
            "a module around a block can return the part that is mixed"
        )
    return tree_unflatten(
        [_added_leaf(one, other, candidate) for one, other in zip(total_leaves, scaled_leaves)], form
    )


def _in_order_of(first: Any, output: Any) -> Any:
    """Dictionaries with the keys of `first` in its order, which is part of their form."""
    if isinstance(first, dict) and isinstance(output, dict) and type(first) is type(output) and first.keys() == output.keys():
        return type(output)((key, _in_order_of(first[key], output[key])) for key in first)
    if type(first) in (tuple, list) and type(first) is type(output) and len(first) == len(output):
        return type(output)(_in_order_of(one, other) for one, other in zip(first, output))
    return output


def _added_leaf(total: Optional[Tensor], scaled: Optional[Tensor], candidate: int) -> Optional[Tensor]:
    if total is not None and scaled is not None:
        return _added(total, scaled, candidate)
    if total is not scaled:
        raise ValueError(
            f"blocks must return None in the same places, got {_described(scaled)} from block {candidate} and "
            f"{_described(total)} before it"
        )
    return None


def _described(output: Any) -> str:
    if isinstance(output, Tensor):
        return "a tensor"
    if output is None:
        return "None"
    if isinstance(output, dict):
        return "a dictionary of " + ", ".join(str(key) for key in output)
    if isinstance(output, (tuple, list)):
        return f"a {type(output).__name__} of {len(output)}"
    return type(output).__name__
