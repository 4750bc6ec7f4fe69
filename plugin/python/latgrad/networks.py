"""The networks of a search space, as modules: its supernet, and each of its architectures.

    space = latgrad.SearchSpace(latgrad.space_file("fbnet_cifar")).scaled(width=0.25, depth=0.5)
    supernet = latgrad.Supernet(space)
    weights, sampled_us = latgrad.gumbel_latency(theta, model.table_us(), temperature, model.valid())
    logits = supernet(images, weights)              # the blocks of layer l mixed by weights[l]

    network = supernet.network(theta.argmax(-1))    # one architecture, with the supernet's weights

No block is written here: the space says of which operators it is made, the same that a ``LatencyModel`` prices. Behind
each convolution stands a normalisation, as in training; in the network that is priced it has become part of the
convolution. The twins in C++ (latgrad/plugin/networks.h) have the same names. L layers, C candidates of the widest layer.
"""

import copy
from typing import List, Optional, Union

import torch
from torch import Tensor, nn

from latgrad.fragments import Norm, fragment_module
from latgrad.mixed_layer import MixedLayer, mixed_in_turn


class Supernet(nn.Module):
    """Every candidate of every layer, mixed by weights.

    space: a ``SearchSpace``. precision: ``int8`` or ``fp32``, that of the latency model, as a space may have other ReLUs in
    one than in the other. norm: makes the normalisation of so many channels. paths: as in ``MixedLayer``, for each layer; the
    weights of all layers are read at once.

    ``stem``, ``layers`` (of ``MixedLayer``), ``head`` and ``classifier`` are its submodules. In each of the space's fragments a
    submodule with parameters is called as these are in the fragment: ``layers.1.blocks.2.expand.conv.weight``.

    Raises ValueError for an unknown precision.
    """

    def __init__(
        self,
        space: torch.ScriptObject,
        precision: str = "int8",
        norm: Norm = nn.BatchNorm2d,
        paths: Union[str, int] = "all",
    ) -> None:
        super().__init__()
        self.stem = fragment_module(space.stem(precision), norm)
        self.layers = nn.ModuleList()
        for layer, offered in enumerate(space.valid().tolist()):
            candidates = range(len(space.candidates(layer)))
            self.layers.append(
                MixedLayer(
                    [
                        fragment_module(space.block(layer, candidate, precision), norm) if offered[candidate] else None
                        for candidate in candidates
                    ],
                    paths,
                )
            )
        self.head = fragment_module(space.head(precision), norm)
        self.classifier = fragment_module(space.classifier(), norm)

    def forward(self, images: Tensor, weights: Tensor) -> Tensor:
        """images: ``[N, channels, H, W]``. weights: ``[L, C]``, or ``[N, L, C]`` for a sample of its own for every image.

        Returns the logits of the classes, ``[N, classes]``.

        Raises ValueError where a shape does not fit.
        """
        widest = max(layer.num_candidates for layer in self.layers)
        if weights.dim() < 2 or list(weights.shape[-2:]) != [len(self.layers), widest]:
            raise ValueError(f"weights must be [..., {len(self.layers)}, {widest}], got {list(weights.shape)}")
        x = mixed_in_turn(self.layers, self.stem(images), weights)
        return self.classifier(self.head(x))

    def network(self, arch: Tensor) -> "Network":
        """The network of one architecture, int64 ``[L]``, with a copy of this supernet's weights.

        Raises ValueError for an architecture that the space does not have.
        """
        if arch.dim() != 1 or len(arch) != len(self.layers) or arch.dtype not in (torch.uint8, torch.int64):
            raise ValueError(
                f"arch must be one architecture, uint8 or int64 [{len(self.layers)}], got {arch.dtype} {list(arch.shape)}"
            )
        chosen = []
        for index, (layer, choice) in enumerate(zip(self.layers, arch.tolist())):
            if choice not in layer.offered:
                raise ValueError(
                    f"arch must choose candidates that are offered, in layer {index} (counted from 0) one of "
                    f"{layer.offered}, got {choice}"
                )
            chosen.append(layer.blocks[str(choice)])
        return Network(*copy.deepcopy((self.stem, nn.Sequential(*chosen), self.head, self.classifier)))


class Network(nn.Module):
    """One architecture of a space: what ``LatencyModel.estimate(arch)`` is the price of. Can be scripted."""

    def __init__(self, stem: nn.Module, blocks: nn.Module, head: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = blocks
        self.head = head
        self.classifier = classifier

    @staticmethod
    def from_space(
        space: torch.ScriptObject,
        arch: Tensor,
        precision: str = "int8",
        norm: Norm = nn.BatchNorm2d,
    ) -> "Network":
        """The architecture ``arch``, int64 ``[L]``, with random weights. The other arguments are those of ``Supernet``.

        Raises ValueError for an architecture that the space does not have, and for an unknown precision.
        """
        space.format_architecture(arch)  # checks it
        blocks = [
            fragment_module(space.block(layer, choice, precision), norm) for layer, choice in enumerate(arch.tolist())
        ]
        return Network(
            fragment_module(space.stem(precision), norm),
            nn.Sequential(*blocks),
            fragment_module(space.head(precision), norm),
            fragment_module(space.classifier(), norm),
        )

    def forward(self, images: Tensor) -> Tensor:
        """images: ``[N, channels, H, W]``. Returns the logits of the classes, ``[N, classes]``."""
        return self.classifier(self.head(self.blocks(self.stem(images))))


class PricedNetwork(nn.Module):
    """A network that carries its latency in itself, to be saved: exported or scripted.

    model: the ``LatencyModel`` of its space. arch: its architecture, int64 ``[L]``. statistic: by which ``latency_us()``
    prices it, as in ``LatencyModel``.

        priced = latgrad.PricedNetwork(network, model, arch)
        latgrad.save_network(priced, "network.pt2", images)             # torch.export; the model beside it
        torch.jit.save(torch.jit.script(priced), "network.pt")          # TorchScript
        torch.jit.load("network.pt").latency_us()                       # needs no table

    Raises ValueError for an architecture that the model's space does not have, for an unknown statistic, and for a model of
    several devices.
    """

    statistic: str

    def __init__(self, network: nn.Module, model: torch.ScriptObject, arch: Tensor, statistic: str = "p50") -> None:
        super().__init__()
        if len(model.devices()) != 1:
            raise ValueError(f"a network carries the model of one device, got one of {', '.join(model.devices())}")
        model.estimate(arch, statistic)  # checks both
        self.network = network
        self.model = model
        self.statistic = statistic
        self.register_buffer("arch", arch.detach().cpu().clone())

    def forward(self, images: Tensor) -> Tensor:
        """What the network gives."""
        return self.network(images)

    @torch.jit.export
    def latency_us(self, statistic: Optional[str] = None) -> float:
        """The exact price, stem and head included; by the network's own statistic unless one is given.

        Raises an error for an unknown statistic.
        """
        return float(self.model.estimate(self.arch, self.statistic if statistic is None else statistic).item())

    @torch.jit.export
    def architecture(self) -> List[str]:
        """The name of the chosen candidate of every layer."""
        return self.model.decode(self.arch)
