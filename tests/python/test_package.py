"""What `import latgrad` offers besides its operators: names, hints, stubs, version, spaces."""

import ast
import inspect
import pathlib
import re
import typing

import pytest
import torch
from conftest import SPACES

import latgrad

PACKAGE = pathlib.Path(latgrad.__file__).resolve().parent
ROOT = pathlib.Path(__file__).resolve().parents[2]
STUB = ast.parse((PACKAGE / "classes.pyi").read_text())
STUB_CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
STUB_ALIASES = {node.targets[0].id: ast.unparse(node.value) for node in STUB.body if isinstance(node, ast.Assign)}


def test_version_is_that_of_the_project():
    declared = re.search(r"project\(latgrad VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    assert latgrad.__version__ == declared


@pytest.mark.parametrize("name", latgrad.__all__)
def test_everything_public_says_what_it_does(name):
    assert getattr(latgrad, name).__doc__


def test_typed_code_finds_the_hints():
    assert (PACKAGE / "py.typed").is_file()
    for name in latgrad.__all__:
        if name in STUB_CLASSES:
            continue
        offered = getattr(latgrad, name)
        for function in typed_functions(offered) if inspect.isclass(offered) else [offered]:
            hints = typing.get_type_hints(function)
            expected = {"return", *inspect.signature(function).parameters} - {"self"}
            assert set(hints) == expected, (name, function)


def typed_functions(offered):
    """What a class says itself: its public functions and properties."""
    members = [member for key, member in vars(offered).items() if not key.startswith("_")]
    functions = [member.fget if isinstance(member, property) else member for member in members]
    return [function for function in functions if inspect.isfunction(function)]


def stub_methods(name):
    """{method: ([(argument, type, default)], return type)} of a stub class, types as TorchScript spells them."""
    spelling = {"None": "NoneType", "list": "List", "dict": "Dict", "tuple": "Tuple", "_NetEstimate": "NetEstimate", "_Net": "Net"}

    def spell(annotation):
        text = ast.unparse(annotation)
        for alias in ("_Fragment", "_Operator"):
            text = text.replace(alias, STUB_ALIASES[alias])
        return re.sub(r"\w+", lambda word: spelling.get(word.group(), word.group()), text)

    methods = {}
    for node in STUB_CLASSES[name].body:
        if not isinstance(node, ast.FunctionDef):
            continue
        assert ast.get_docstring(node), f"{name}.{node.name} must say what it does"
        if any(ast.unparse(decorator) == "staticmethod" for decorator in node.decorator_list):
            continue
        arguments = node.args.args[1:]  # not self
        required = [inspect.Parameter.empty] * (len(arguments) - len(node.args.defaults))
        defaults = required + [ast.literal_eval(default) for default in node.args.defaults]
        methods[node.name] = (
            [(argument.arg, spell(argument.annotation), default) for argument, default in zip(arguments, defaults)],
            spell(node.returns),
        )
    return methods


def runtime_methods(instance):
    def spell(type):
        return type.annotation_str.replace("__torch__.torch.classes.latgrad.", "")

    methods = {}
    for name in instance._method_names():
        if name.startswith("__"):
            continue
        schema = instance._get_method(name).schema
        arguments = []
        for argument in schema.arguments[1:]:  # not self
            default = argument.default_value if argument.has_default_value() else inspect.Parameter.empty
            # A stub cannot spell an empty dictionary as default.
            arguments.append((argument.name, spell(argument.type), ... if default == {} else default))
        methods[name] = arguments, spell(schema.returns[0].type)
    return methods


@pytest.fixture
def instances(tiny_space, make_table):
    lut = make_table(tiny_space)
    model = latgrad.LatencyModel(tiny_space, lut)
    table = latgrad.LatencyTable(lut)
    return {"LatencyModel": model, "LatencyTable": table, "SearchSpace": latgrad.SearchSpace(tiny_space)}


@pytest.mark.parametrize("name", ["LatencyModel", "LatencyTable", "SearchSpace"])
def test_stub_and_runtime_agree_on_the_methods(name, instances):
    stub = stub_methods(name)
    constructor, _ = stub.pop("__init__")
    assert stub == runtime_methods(instances[name])
    signature = inspect.signature(getattr(latgrad, name))
    assert [(argument, default) for argument, _, default in constructor] == [
        (parameter.name, parameter.default) for parameter in signature.parameters.values()
    ]


def test_stub_and_runtime_agree_on_the_estimate(instances, tiny_space, tmp_path):
    model, table = instances["LatencyModel"], instances["LatencyTable"]
    arch = model.valid().int().argmax(-1)
    net, init = tmp_path / "net.pbtxt", tmp_path / "net_init.pbtxt"
    net.write_text(model.netdef(arch))
    init.write_text(model.init_netdef(arch))
    estimate = table.estimate_net(str(net), str(init), model.input_dims())
    assert stub_methods("_NetEstimate") == runtime_methods(estimate)


def test_spaces_are_reached_by_name():
    assert latgrad.space_names() == sorted(path.stem for path in SPACES.glob("*.textproto"))
    assert "fbnet" in latgrad.space_names()
    assert latgrad.space_file("fbnet").read_bytes() == (SPACES / "fbnet.textproto").read_bytes()


def test_says_which_spaces_there_are():
    with pytest.raises(ValueError, match='a space must be a file or one of: .*fbnet, .*tiny; got "fbnett"'):
        latgrad.space_file("fbnett")


def test_spaces_are_found_as_the_command_finds_them(tmp_path, monkeypatch):
    for folder, name in (("mine", "fbnet"), ("here", "other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.textproto").touch()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("LATGRAD_SPACES", f"{tmp_path / 'nowhere'}:{tmp_path / 'mine'}")
    assert latgrad.space_file("fbnet") == tmp_path / "mine" / "fbnet.textproto"  # before those that come with latgrad
    assert latgrad.space_file("other.textproto") == pathlib.Path("other.textproto")  # a file of the current folder
    assert latgrad.space_file("./absent") == pathlib.Path("absent")  # a path
    assert latgrad.space_file("tiny").read_bytes() == (SPACES / "tiny.textproto").read_bytes()
