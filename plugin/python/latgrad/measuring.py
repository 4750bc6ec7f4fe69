"""Measuring from Python: what the commands ``latgrad profile`` and ``latgrad validate`` do, for networks at hand as well.

    net = latgrad.read_module(model, images)
    latgrad.profile(nets={"mine": net}, output="mine.json")              # a table of its operators
    latgrad.profile(spaces=module_space, output="mine.json", lut="mine.json")
    report = latgrad.validate("mine.json", nets={"mine": net})           # whole networks against the sums
    report["agreement"]["mape_percent"]

The plan, the journal that resumes an interrupted run, the progress on standard error and the provenance beside the table
are those of the commands. Times come from ``latgrad-runner``, a program of its own, so that nothing in this process disturbs
them: ``$LATGRAD_RUNNER``, or beside the interpreter, or that of the build the plugin is from, or the one on ``PATH``. Engines
that take whole networks (``engine="onnxruntime"``) run in another process of this interpreter, by ``latgrad_runners``.
"""

import json
import math
import os
import pathlib
import random as random_numbers
import shutil
import sys
import warnings
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import torch
from torch import nn

from latgrad._plugin import find_plugin
from latgrad.module_space import ModuleSpace
from latgrad.modules import Net
from latgrad.spaces import space_file

_RUNNER = "latgrad-runner"
# Engines that latgrad_runners times whole networks in, with the rounds that they need by default.
_NETWORK_ENGINES = ("onnxruntime", "openvino", "executorch", "torch")
_POLL_S = 0.1

_Path = Union[str, "os.PathLike[str]"]
_Nets = Union[_Path, Net, Iterable[Union[_Path, Net]], Mapping[str, Net]]


def profile(
    spaces: Any = (),
    nets: _Nets = (),
    *,
    precision: str = "int8",
    lut: Optional[_Path] = None,
    output: Optional[_Path] = None,
    device: str = "",
    force: bool = False,
    inits: Sequence[_Path] = (),
    inputs: Optional[Mapping[str, Sequence[int]]] = None,
    target: Optional[float] = None,
    budget_s: Optional[float] = None,
    warmup: int = 1,
    samples: Optional[int] = None,
    networks: int = 80,
    steady: float = 0.05,
    seed: int = 0,
    engine: str = "qnnpack",
    provider: str = "",
    threads: int = 1,
    cores: Sequence[int] = (),
    pin: bool = True,
    runner: str = "",
    runner_timeout_s: float = 300,
    dry_run: bool = False,
    quiet: bool = False,
) -> Dict[str, Any]:
    """Measures the distinct operators of spaces and networks, and writes a LUT.

    spaces: one or several: names or files of spaces, and :class:`ModuleSpace`, whose random architectures carry its
    operators. nets: one or several networks: a :class:`Net`, or the path of a Caffe2 network or an ONNX model; or a dictionary
    of :class:`Net` by name. precision: of the spaces of files, ``int8``, ``fp32`` or ``both``. lut: the table to extend. output: the
    table to write, ``<device>-op_lut_database.json`` if None. device: its name in the table, by default after the CPU and
    the engine. force: also extend a table from another machine. inits, inputs: of the networks in files, as ``--init`` and
    ``--input``: shapes by blob.

    target: half the 95 % confidence interval of each time, as a fraction. budget_s: seconds after which no further round
    begins. warmup, samples: runs of a network in each visit. None: 0.02, 150 s and 3 samples, or 0.01, 450 s and 8 samples in
    an engine that takes whole networks, which times ``networks`` of them at most. steady: up to which spread of the
    reference's times the machine is called steady. engine, provider, threads, cores, pin, runner, runner_timeout_s: as the
    options of the command; ``runner`` is a shell command that reaches another machine, ``ssh pi latgrad-runner``.

    dry_run: only list the operators and estimate the time. quiet: no progress on standard error.

    Returns what ``latgrad profile --json`` prints: ``device``, ``output``, ``measured``, ``missing``, ``unsettled``, ... The same
    call resumes a run that was interrupted; KeyboardInterrupt comes when the network that is being measured is done.

    Raises ValueError for an option that is wrong, RuntimeError for files, networks and runners that fail.
    """
    files, named = _split(nets)
    space_files = []
    for space in _listed(spaces):
        if isinstance(space, ModuleSpace):
            architectures = space.covering(seed)
            if engine in _NETWORK_ENGINES:
                architectures = architectures + _random_architectures(space, networks, seed)
            named.update(_architectures(space, architectures))
        else:
            space_files.append(str(space_file(os.fspath(space))))
    if not (space_files or files or named):
        raise ValueError("spaces or nets must name something to measure, got neither")
    if precision not in ("int8", "fp32", "both"):
        raise ValueError(f"precision must be int8, fp32 or both, got {precision!r}")
    takes_networks = engine in _NETWORK_ENGINES
    if target is None:
        target = 0.01 if takes_networks else 0.02
    if budget_s is None:
        budget_s = 450 if takes_networks else 150
    return _run(
        "profile",
        named,
        quiet,
        spaces=space_files,
        precisions=["int8", "fp32"] if precision == "both" else [precision],
        output=_text(output),
        force=force,
        dry_run=dry_run,
        networks=networks,
        steady=steady,
        **_shared_options(
            files, lut, device, inits, inputs, target, budget_s, warmup, samples, seed, engine, provider, threads, cores, pin,
            runner, runner_timeout_s,
        ),
    )


def validate(
    lut: Optional[_Path] = None,
    space: Any = None,
    nets: _Nets = (),
    *,
    precision: str = "int8",
    random: int = 20,
    named: bool = False,
    plot: Optional[_Path] = None,
    device: str = "",
    inits: Sequence[_Path] = (),
    inputs: Optional[Mapping[str, Sequence[int]]] = None,
    target: float = 0.01,
    budget_s: float = 120,
    warmup: int = 1,
    samples: Optional[int] = None,
    nodes: bool = False,
    seed: int = 0,
    engine: str = "qnnpack",
    provider: str = "",
    threads: int = 1,
    cores: Sequence[int] = (),
    pin: bool = True,
    runner: str = "",
    runner_timeout_s: float = 300,
    quiet: bool = False,
) -> Dict[str, Any]:
    """Measures whole networks on the machine that the table is from, and compares them with the sums over the table.

    lut: the table; None: networks are only measured. space: a name, a file or a :class:`ModuleSpace`, of which ``random``
    architectures are measured, and with ``named`` those that its file names. nets: as in :func:`profile`. precision: of the
    architectures of a space in a file. plot: an SVG file with predicted against measured times. nodes: also the engine's own
    times by node, where it takes whole networks and tells them. The other arguments are those of :func:`profile`; ``target`` is
    for the time of each network.

    Returns what ``latgrad validate --json`` prints: ``agreement`` with ``mape_percent``, ``bias_percent`` and ``kendall_tau``,
    ``networks``, ``missing``, ``unmeasured``, ... Warns where the table was measured on another machine or engine.

    Raises as :func:`profile`.
    """
    files, by_name = _split(nets)
    path = ""
    if isinstance(space, ModuleSpace):
        by_name.update(_architectures(space, _random_architectures(space, random, seed)))
    elif space is not None:
        path = str(space_file(os.fspath(space)))
    if not (path and (random or named) or files or by_name):
        raise ValueError("space or nets must name something to measure, got neither")
    report = _run(
        "validate",
        by_name,
        quiet,
        space=path,
        precision=precision,
        random=random,
        named=named,
        plot=_text(plot),
        nodes=nodes,
        **_shared_options(
            files, lut, device, inits, inputs, target, budget_s, warmup, samples, seed, engine, provider, threads, cores, pin,
            runner, runner_timeout_s,
        ),
    )
    if report["table_differs"]:
        warnings.warn(f"{os.fspath(lut)} was measured elsewhere: {report['table_differs']}", stacklevel=2)
    return report


def _shared_options(
    files: List[str],
    lut: Optional[_Path],
    device: str,
    inits: Sequence[_Path],
    inputs: Optional[Mapping[str, Sequence[int]]],
    target: float,
    budget_s: float,
    warmup: int,
    samples: Optional[int],
    seed: int,
    engine: str,
    provider: str,
    threads: int,
    cores: Sequence[int],
    pin: bool,
    runner: str,
    runner_timeout_s: float,
) -> Dict[str, Any]:
    takes_networks = engine in _NETWORK_ENGINES
    command = [sys.executable, _network_runners()] if takes_networks else [_local_runner()]
    return {
        "files": files,
        "lut": _text(lut),
        "device": device,
        "inits": [os.fspath(init) for init in inits],
        "inputs": [f"{blob}={','.join(str(int(size)) for size in shape)}" for blob, shape in (inputs or {}).items()],
        "target": target,
        "budget_s": budget_s,
        "warmup": warmup,
        "samples": samples if samples is not None else 8 if takes_networks else 3,
        "seed": seed,
        "engine": engine,
        "provider": provider,
        "threads": threads,
        "cores": list(cores),
        "pin": pin,
        "runner": ["/bin/sh", "-c", runner] if runner else command,
        "runner_text": runner or (" ".join(command) if takes_networks else _RUNNER),
        "runs_here": not runner,
        "runner_timeout_s": runner_timeout_s,
    }


def _run(kind: str, nets: Dict[str, Net], quiet: bool, **options: Any) -> Dict[str, Any]:
    """Runs it to its end, with its progress on standard error."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    options["style"] = "quiet" if quiet or sys.stderr is None else "terminal" if is_terminal else "plain"
    options["columns"] = shutil.get_terminal_size().columns
    start = getattr(torch.classes.latgrad.Measurement, kind)
    measurement = start(json.dumps(options), list(nets), [net._handle for net in nets.values()])
    try:
        while not measurement.wait(_POLL_S):
            _show(measurement.progress())
        _show(measurement.progress())
    except BaseException as error:
        measurement.stop()
        if isinstance(error, KeyboardInterrupt) and options.get("dry_run") is False and not quiet:
            _show("latgrad: interrupted; the same call resumes the run\n")
        measurement.wait(options["runner_timeout_s"])
        raise
    return json.loads(measurement.result())


def _show(text: str) -> None:
    if text:
        sys.stderr.write(text)
        sys.stderr.flush()


def _local_runner() -> str:
    given = os.environ.get("LATGRAD_RUNNER")
    if given:
        return given
    beside = [pathlib.Path(sys.executable).parent, find_plugin().parent.parent / "bin"]
    return next((str(folder / _RUNNER) for folder in beside if os.access(folder / _RUNNER, os.X_OK)), _RUNNER)


def _network_runners() -> str:
    # Beside this package where pip put both, in PREFIX/share/latgrad, in the sources.
    package = pathlib.Path(__file__).resolve().parent
    places = [
        package.parent / "latgrad_runners",
        package.parents[1] / "latgrad_runners",
        package.parents[2] / "runner" / "engines",
    ]
    return str(next((place for place in places if place.is_dir()), places[0]))


def _listed(values: Any) -> List[Any]:
    several = isinstance(values, Iterable) and not isinstance(values, (str, os.PathLike, nn.Module))
    return list(values) if several else [values]


def _split(nets: _Nets) -> Tuple[List[str], Dict[str, Net]]:
    """The networks that lie in files, and those at hand by name."""
    files: List[str] = []
    named: Dict[str, Net] = {}
    by_name = nets.items() if isinstance(nets, Mapping) else ((f"net_{i}", net) for i, net in enumerate(_listed(nets)))
    for name, net in by_name:
        if isinstance(net, Net):
            named[str(name)] = net
        elif isinstance(net, (str, os.PathLike)) and not isinstance(nets, Mapping):
            files.append(os.fspath(net))
        else:
            raise TypeError(
                "nets must be paths and latgrad.Net, or a dictionary of latgrad.Net, got "
                f"{type(net).__name__}; latgrad.read_module makes a Net of a module"
            )
    return files, named


def _architectures(space: ModuleSpace, architectures: Sequence[Sequence[int]]) -> Dict[str, Net]:
    return {
        " ".join(space.candidates(layer)[k] for layer, k in enumerate(arch)): space.lower(arch) for arch in architectures
    }


def _random_architectures(space: ModuleSpace, count: int, seed: int) -> List[List[int]]:
    """Distinct ones; all there are where they are fewer."""
    drawn = random_numbers.Random(seed)
    possible = math.prod(len(layer.offered) for layer in space.layers)
    found: Dict[Tuple[int, ...], None] = {}
    while len(found) < min(count, possible):
        found[tuple(drawn.choice(layer.offered) for layer in space.layers)] = None
    return [list(arch) for arch in found]


def _text(path: Optional[_Path]) -> str:
    return "" if path is None else os.fspath(path)
