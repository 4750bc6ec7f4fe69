"""The folder of a run: its files, as docs/run-format.md says, each replaced in one step.

    folder = RunFolder("run", program, settings)    # the same settings continue the run, others are refused
    log = Log(folder / "log.jsonl")
    log.restart(epoch)                              # drops what an interrupted run wrote later
    log.append({"epoch": epoch, ...})
"""

import datetime
import json
import math
import os
import pathlib
from typing import Any, Dict, List

FORMAT = "latgrad-run-1"


def replace_file(path: pathlib.Path, content: bytes) -> None:
    """Writes beside the path and renames: a reader, or a kill, sees the old file or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_text(path: pathlib.Path, text: str) -> None:
    replace_file(path, text.encode())


def json_text(value: Any) -> str:
    return json.dumps(_finite(value), indent=2, allow_nan=False) + "\n"


def write_json(path: pathlib.Path, value: Any) -> None:
    write_text(path, json_text(value))


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return value


class Log:
    """One JSON object a line, epochs ascending."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def entries(self) -> List[Dict[str, Any]]:
        """Those that were written whole."""
        if not self.path.exists():
            return []
        *lines, _ = self.path.read_text().split("\n")
        return [json.loads(line) for line in lines]

    def restart(self, epoch: int) -> None:
        """Keeps the epochs before this one. Raises ValueError where one of them is missing."""
        kept = [entry for entry in self.entries() if entry["epoch"] < epoch]
        if [entry["epoch"] for entry in kept] != list(range(epoch)):
            raise ValueError(
                f"{self.path} must have a line for each of the {epoch} epochs that the checkpoint has seen, got {len(kept)}: "
                "restore it, or delete the checkpoint to begin anew"
            )
        write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))

    def append(self, entry: Dict[str, Any]) -> None:
        with open(self.path, "a") as file:
            file.write(json.dumps(_finite(entry), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())  # before the checkpoint that counts on it


class RunFolder:
    """The folder of a search, or of a retraining.

    While nothing has been trained in it, other settings replace those that it has: a mistaken option costs nothing.

    Raises ValueError where the folder holds a run of another program or of other settings, naming them, and where it holds
    something else.
    """

    def __init__(self, path: pathlib.Path, program: str, settings: Dict[str, Any]) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        config = path / "config.json"
        if config.exists():
            old = read_settings(path, program)
            if old == settings:
                return
            if self.is_trained:
                raise ValueError(f"{path} holds a run of other settings: {_differences(old, settings)}. Continue it with its "
                                 "own, or name another folder")
        elif any(file.suffix != ".tmp" for file in path.iterdir()):
            raise ValueError(f"{path} must be a new folder or that of a run, got one with other files and no config.json")
        created = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        write_json(config, {"format": FORMAT, "program": program, "created": created, "settings": settings})

    def __truediv__(self, name: str) -> pathlib.Path:
        return self.path / name

    @property
    def is_trained(self) -> bool:
        """Whether there is something to continue."""
        return (self.path / "checkpoint.pt").exists() or bool(Log(self.path / "log.jsonl").entries())

    def keep(self, name: str, text: str) -> None:
        """Writes a file that must stay the same for as long as the run is continued.

        Raises ValueError where it has changed since.
        """
        file = self.path / name
        if self.is_trained and file.exists() and file.read_text() != text:
            raise ValueError(
                f"{file} is not what it was when the search began: the space or the table has changed since. Give the old "
                "one, or name another folder"
            )
        write_text(file, text)


def _differences(old: Dict[str, Any], new: Dict[str, Any]) -> str:
    return "; ".join(
        f"{name} {old.get(name)!r} is now {new.get(name)!r}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def read_settings(path: pathlib.Path, program: str) -> Dict[str, Any]:
    """The settings of the run in a folder.

    Raises ValueError where there is none, or one of another format or program.
    """
    config = path / "config.json"
    if not config.exists():
        raise ValueError(f"{path} must be the folder of a search, got one without config.json")
    content = json.loads(config.read_text())
    if content.get("format") != FORMAT:
        raise ValueError(f"{config} must be of format {FORMAT}, got {content.get('format')!r}")
    if content.get("program") != program:
        raise ValueError(f"{path} must hold a run of {program}, got one of {content.get('program')}: continue it by that")
    return content["settings"]
