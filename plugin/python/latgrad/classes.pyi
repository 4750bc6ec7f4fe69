"""What the TorchScript classes offer, for editors and type checkers.

At run time `LatencyModel`, `SearchSpace` and `LatencyTable` are functions whose results are torch.ScriptObject: annotate
with these names, and ask for `isinstance` nowhere. In TorchScript the types are `torch.classes.latgrad.LatencyModel` and so on.
"""

import os
from typing import Any, Optional, Sequence, Union

from torch import Tensor

_Path = Union[str, os.PathLike[str]]
# Type, input blobs, output blobs, arguments (an int, float or string, or a list of them), by Caffe2's names.
_Operator = tuple[str, list[str], list[str], dict[str, Any]]
# Input blob, output blob, operators in order, shapes of the parameters by blob. An identity has no operators, and its
# input is its output.
_Fragment = tuple[str, str, list[_Operator], dict[str, list[int]]]

class LatencyModel:
    """The latency of every candidate of a space, priced with a LUT. L layers, C candidates of the widest layer.

    Layers and candidates count from 0. Immutable, needs no file once built, and is saved inside TorchScript modules.
    ``statistic`` is ``p0``, ``p10``, ``p50``, ``p90``, ``p100`` or ``mean``: the figure of each operator that is summed;
    docs/risk.md says what such a sum means. Tensors are copies, on the CPU.
    """

    def __init__(self, space: _Path, lut: _Path, device: str = "", precision: str = "int8", mode: str = "ave") -> None:
        """Prices every candidate of a space with a LUT.

        space: a space file. lut: a table in the published format (``.json``, ``.json.gz``, ``.zip``).
        device: empty for the table's default. precision: ``int8`` or ``fp32``. mode: ``ave``, ``min``, ``max`` or
        ``last``, how several records of an operator become one time.

        Raises ValueError or RuntimeError where the LUT lacks operators of the space (naming the first ten), where a
        file cannot be read or breaks its format, for an unknown device, precision or mode.
        """
    @staticmethod
    def from_table(
        table_us: Union[Tensor, Sequence[Any]],
        candidates: Union[Sequence[str], Sequence[Sequence[str]]],
        fixed_us: Union[float, Sequence[float], Tensor] = 0.0,
        device: Union[str, Sequence[str]] = "table",
        valid: Optional[Tensor] = None,
        layers: Sequence[str] = (),
    ) -> LatencyModel:
        """A model of numbers that are there already, such as a block table, energy or bytes.

        table_us: ``[L, C]``, or ``[D, L, C]`` for several devices or resources. candidates: C names, or a list of at most C
        for each layer. fixed_us: one number, or one for each device. device: the name, or D names. valid: bool ``[L, C]``;
        None: every candidate that has a name. layers: L names; empty: ``layer1``, ``layer2``, ...

        The model has no space and one figure for each candidate: what needs a space raises ValueError, and so does another
        statistic than ``p50``.

        Raises ValueError where shapes and names do not fit, and for a figure that is negative or not finite.
        """
    @staticmethod
    def load(path: str) -> LatencyModel:
        """As :func:`latgrad.load_model`."""
    @staticmethod
    def parse(text: str) -> LatencyModel:
        """From :meth:`text`. Raises as :func:`latgrad.load_model`."""
    def text(self, arch: Optional[Tensor] = None, statistic: str = "p50") -> str:
        """The model as JSON, which :func:`latgrad.load_model` reads from a file; with an architecture, uint8 or int64 ``[L]``,
        that of a network.

        Raises ValueError as :meth:`decode` does, and for an unknown statistic.
        """
    def save(self, path: str) -> None:
        """As :func:`latgrad.save_model`."""
    def table_us(self, statistic: str = "p50") -> Tensor:
        """The latency of every candidate in microseconds: float64 ``[L, C]``, or ``[D, L, C]`` of several devices; 0 where
        not valid.

        Raises ValueError for an unknown statistic, and for a chain: :meth:`chain_table_us`.
        """
    def chain_table_us(self, statistic: str = "p50") -> Tensor:
        """The latency of every candidate behind every candidate of the layer before in microseconds: float64 ``[L, C, C]``, 0
        where not valid. What :func:`latgrad.chain_latency` takes.

        Raises ValueError for an unknown statistic, and where the model was made of a table.
        """
    def chain_valid(self) -> Tensor:
        """Which candidates fit behind which of the layer before: bool ``[L, C, C]``; of the first layer the first row.

        Raises ValueError where the model was made of a table.
        """
    def fixed_us(self, statistic: str = "p50") -> float:
        """What every architecture pays, in microseconds: stem, head, layout changes.

        Raises ValueError for an unknown statistic, and if there are several devices.
        """
    def fixed_by_device_us(self, statistic: str = "p50") -> Tensor:
        """The same on each device: float64 ``[D]``."""
    def spread_us(self) -> Tensor:
        """How far apart the fast and the slow runs of every candidate are: float64 ``[L, C]``, 0 where not valid.

        p90 - p10 of each of its operators, summed. The spread of the block's own time where its operators slow down
        together, and in practice an upper bound of it where they are independent.
        """
    def covariance_us2(self) -> Tensor:
        """How the candidates, layer by layer, and last the fixed part err together: float64 ``[L * C + 1, L * C + 1]``.

        Raises ValueError for a model that was not calibrated.
        """
    def noise(self) -> float:
        """The scale of the errors of measured times, as a share of them. Raises as :meth:`covariance_us2`."""
    def valid(self) -> Tensor:
        """Where the space offers a candidate: bool ``[L, C]``."""
    def layers(self) -> int:
        """The number of searched layers, L."""
    def candidates(self, layer: int) -> list[str]:
        """The names of a layer's candidates by index, those that are not offered among them.

        Raises ValueError for a layer out of range; a negative one is out of range.
        """
    def space(self) -> str:
        """The text of the space file, without ``base``."""
    def precision(self) -> str:
        """``int8`` or ``fp32``."""
    def device(self) -> str:
        """The device of the LUT.

        Raises ValueError if there are several.
        """
    def devices(self) -> list[str]:
        """The names of the D devices."""
    def layer_names(self) -> list[str]:
        """The names of the layers; ``layer1``, ``layer2``, ... where nothing names them."""
    def encode(self, names: list[str]) -> Tensor:
        """One candidate name per layer to int64 ``[L]``.

        Raises ValueError for a wrong length, an unknown name, a candidate that is not offered.
        """
    def decode(self, arch: Tensor) -> list[str]:
        """uint8 or int64 ``[L]`` to one candidate name per layer.

        Raises ValueError for a wrong shape or dtype, an index out of range, a candidate that is not offered, or does not fit
        behind that of the layer before.
        """
    def estimate(self, arch: Tensor, statistic: str = "p50") -> Tensor:
        """The exact price of architectures, uint8 or int64 ``[..., L]``, with the fixed part: float64 ``[...]``.

        Raises ValueError as :meth:`decode` does, and for an unknown statistic.
        """
    def search(self, theta: Tensor, budget_us: float, k: int = 1, statistic: str = "p50") -> tuple[Tensor, Tensor, Tensor]:
        """The ``k`` architectures of the largest probability under ``softmax(theta)`` within a budget, exactly: ``(arch,
        log_probability, latency_us)``, int64 ``[k, L]`` and float64 ``[k]``; -1, ``-inf`` and ``inf`` where fewer fit.

        Raises ValueError for a wrong shape or dtype, NaN, an unknown statistic and a model of several devices.
        """
    def peak_memory(self, arch: Tensor) -> Tensor:
        """Bytes of activations alive at the operator where most are, of architectures, uint8 or int64 ``[..., L]``: int64 ``[...]``.

        Raises ValueError as :meth:`decode` does, and for a model that was made of a table.
        """
    def netdef(self, arch: Tensor) -> str:
        """The network of one architecture, uint8 or int64 ``[L]``, as Caffe2 NetDef text.

        Raises ValueError as :meth:`decode` does.
        """
    def init_netdef(self, arch: Tensor) -> str:
        """The init net of one architecture, as NetDef text: the shapes of its parameters.

        Raises ValueError as :meth:`decode` does.
        """
    def input_dims(self) -> dict[str, list[int]]:
        """The shape of each data input by name, which no architecture changes."""

class SearchSpace:
    """A search space: layers, and the candidate blocks that each chooses from. :class:`Supernet` is built from it.

    Layers and candidates count from 0. Immutable; saved inside TorchScript modules as the text of the space.
    ``precision`` is ``int8`` or ``fp32``: a space may have other ReLUs in one than in the other.
    """

    def __init__(self, path: _Path) -> None:
        """Reads a space file.

        Raises RuntimeError or ValueError where it cannot be read or breaks the format.
        """
    def name(self) -> str:
        """The name of the space."""
    def text(self) -> str:
        """The whole space as one file without ``base``."""
    def input_shape(self) -> list[int]:
        """NCHW."""
    def classes(self) -> int:
        """How many logits a network has."""
    def layers(self) -> int:
        """The number of searched layers, L."""
    def candidates(self, layer: int) -> list[str]:
        """The names of a layer's candidates by index, those that are not offered among them.

        Raises ValueError for a layer out of range; a negative one is out of range.
        """
    def valid(self) -> Tensor:
        """Where the space offers a candidate: bool ``[L, C]``."""
    def scaled(
        self, width: float = 1.0, depth: float = 1.0, resolution: int = 0, classes: int = 0
    ) -> SearchSpace:
        """A smaller or larger version, whose name says what was scaled.

        Channels times ``width``, rounded to multiples of 8; layers of every stage times ``depth``, rounded up; another
        image or number of classes where not 0. Named architectures that no longer fit are left out.

        Raises ValueError for a factor that is not from 1/1024 to 1024, and where the result breaks a rule of spaces.
        """
    def stem(self, precision: str = "int8") -> _Fragment:
        """What is before the first layer; an identity where the layers read the image itself.

        Raises ValueError for an unknown precision.
        """
    def block(self, layer: int, candidate: int, precision: str = "int8") -> _Fragment:
        """One candidate of one layer.

        Raises ValueError for a candidate out of range or not offered, and for an unknown precision.
        """
    def head(self, precision: str = "int8") -> _Fragment:
        """The 1x1 convolution behind the last layer; an identity where there is none.

        Raises ValueError for an unknown precision.
        """
    def classifier(self) -> _Fragment:
        """The pool over the whole map and the fully connected layer, which give the logits."""
    def parse_architecture(self, text: str) -> Tensor:
        """The name of an architecture, digits, or names and indices to int64 ``[L]``.

        Raises ValueError for a text that is no architecture of this space.
        """
    def format_architecture(self, arch: Tensor) -> str:
        """The names of an architecture's candidates, uint8 or int64 ``[L]``.

        Raises ValueError for a wrong shape or dtype, and for a candidate that is not offered.
        """

class LatencyTable:
    """A latency look-up table in the published format. Immutable, and saved inside TorchScript modules, all of it."""

    def __init__(self, path: _Path) -> None:
        """Reads a LUT: ``.json``, ``.json.gz`` or ``.zip``.

        Raises RuntimeError where the file cannot be read or breaks the format, with file and line.
        """
    def size(self) -> int:
        """The number of records."""
    def devices(self) -> list[str]:
        """The devices that it has records of."""
    def find(
        self,
        op_type: str,
        args: list[str],
        input_shapes: list[list[int]],
        input_dtypes: list[int],
        device: str = "",
        statistic: str = "p50",
    ) -> list[float]:
        """A time of each record of one operator in microseconds, in file order; empty where there is none.

        args: protobuf texts (``name: "kernel"\\ni: 3\\n``), compared by meaning. input_dtypes: Caffe2's numbers.
        device: empty for the table's default. statistic: as in :class:`LatencyModel`, the median by default.

        Raises ValueError for an argument that is no protobuf text, a dtype that Caffe2 does not define, an unknown device or
        statistic.
        """
    def estimate_net(
        self,
        model: str,
        init: str = "",
        input_dims: dict[str, list[int]] = ...,
        device: str = "",
        mode: str = "ave",
        statistic: str = "p50",
    ) -> _NetEstimate:
        """The price of a Caffe2 network or an ONNX model.

        model: a folder or a file. init: the init net of a Caffe2 network; empty: beside it. input_dims: shapes of data inputs by name, which
        override those found beside the network. device: empty for the table's default. mode: ``ave``, ``min``, ``max``
        or ``last``. statistic: as in :class:`LatencyModel`.

        Raises ValueError or RuntimeError for files that cannot be read, a network that is wrong, a shape that is not
        known, an unknown device, mode or statistic, a name in ``input_dims`` that is no external input.
        """
    def estimate(self, net: _Net, device: str = "", mode: str = "ave", statistic: str = "p50") -> _NetEstimate:
        """The price of a network that has been read: what :meth:`latgrad.Net.price` calls.

        Raises ValueError for an unknown device, mode or statistic.
        """

class _Net:
    """The handle that a :class:`latgrad.Net` holds."""

class _NetEstimate:
    """The price of a network. Lists have one entry for each operator, in the network's order."""

    def total_us(self) -> float:
        """The price of the whole network in microseconds.

        Raises RuntimeError while an operator is missing, naming the first ten and how many there are.
        """
    def found_us(self) -> float:
        """The sum over the operators that have a time, in microseconds."""
    def all_found(self) -> bool:
        """Whether every operator has a time."""
    def op_types(self) -> list[str]:
        """The operator types."""
    def outputs(self) -> list[str]:
        """The name of the first blob that each operator writes."""
    def statuses(self) -> list[str]:
        """``exact``, ``substituted`` or ``missing``."""
    def times_us(self) -> list[float]:
        """Times in microseconds; 0 where the status is ``missing``."""
