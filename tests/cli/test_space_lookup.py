import shutil

from conftest import BIN, run, run_json

SPACE = """
name: "%s"
input { channels: 3 height: 8 width: 8 }
stem { channels: 4 kernel: 3 stride: 2 }
candidate { name: "k3_e1" block { expand: 1 depthwise { kernel: 3 } } }
stage { name: "a" channels: 4 }
head { channels: 8 classes: 2 }
"""


def write_space(folder, stem, name):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.textproto").write_text(SPACE % name)
    return folder


def name_of(*args, **kwargs):
    return run_json("space", *args, "--json", **kwargs)["space"]


def test_path_is_taken_as_it_is(tmp_path):
    write_space(tmp_path, "mine", "by path")
    assert name_of(tmp_path / "mine.textproto") == "by path"
    assert name_of("mine.textproto", cwd=tmp_path) == "by path"
    assert name_of("./mine.textproto", cwd=tmp_path) == "by path"


def test_folders_of_the_environment_come_first(tmp_path):
    first = write_space(tmp_path / "first", "other", "first")
    second = write_space(tmp_path / "second", "tiny", "second")
    env = {"LATGRAD_SPACES": f"{first}::{tmp_path / 'nowhere'}:{second}"}
    assert name_of("tiny", env=env) == "second"
    assert name_of("other", env=env) == "first"
    assert name_of("fbnet", env=env) == "fbnet"
    assert "other" in run("space", "nonesuch", env=env).stderr


def test_installed_spaces_lie_relative_to_the_program(tmp_path):
    program = tmp_path / "bin" / "latgrad"
    program.parent.mkdir()
    shutil.copy(BIN, program)
    write_space(tmp_path / "share/latgrad/spaces", "tiny", "installed")
    assert name_of("tiny", program=program) == "installed"
