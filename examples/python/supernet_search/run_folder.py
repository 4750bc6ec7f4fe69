"""The folder of a run: its files, as docs/run-format.md says, each replaced in one step.

    folder = RunFolder("run", settings)     # the same settings continue the run, others are refused
    folder.log.restart(epoch)               # drops what an interrupted run wrote later
    folder.log.append({"epoch": epoch, ...})
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


def write_json(path: pathlib.Path, value: Any) -> None:
    write_text(path, json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


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
        """Keeps the epochs before this one."""
        kept = [entry for entry in self.entries() if entry["epoch"] < epoch]
        write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))

    def append(self, entry: Dict[str, Any]) -> None:
        with open(self.path, "a") as file:
            file.write(json.dumps(_finite(entry), allow_nan=False) + "\n")


class RunFolder:
    """The folder of a search.

    Raises ValueError where the folder holds a run of other settings, naming them, and where it holds something else.
    """

    def __init__(self, path: pathlib.Path, program: str, settings: Dict[str, Any]) -> None:
        self.path = path
        self.log = Log(path / "log.jsonl")
        path.mkdir(parents=True, exist_ok=True)
        config = path / "config.json"
        if config.exists():
            self._check_settings(read_settings(path), settings)
        elif any(path.iterdir()):
            raise ValueError(f"{path} must be a new folder or that of a run, got one with other files and no config.json")
        else:
            created = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
            write_json(config, {"format": FORMAT, "program": program, "created": created, "settings": settings})

    def __truediv__(self, name: str) -> pathlib.Path:
        return self.path / name

    def _check_settings(self, old: Dict[str, Any], new: Dict[str, Any]) -> None:
        differences = [
            f"{name} {old.get(name)!r} is now {new.get(name)!r}"
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
        if differences:
            raise ValueError(
                f"{self.path} holds a run of other settings: {'; '.join(differences)}. Continue it with its own, or name "
                "another folder"
            )


def read_settings(path: pathlib.Path) -> Dict[str, Any]:
    """The settings of the run in a folder.

    Raises ValueError where there is none, or one of another format.
    """
    config = path / "config.json"
    if not config.exists():
        raise ValueError(f"{path} must be the folder of a search, got one without config.json")
    content = json.loads(config.read_text())
    if content.get("format") != FORMAT:
        raise ValueError(f"{config} must be of format {FORMAT}, got {content.get('format')!r}")
    return content["settings"]
