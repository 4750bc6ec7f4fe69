"""Where the files lie that come with latgrad."""

import pathlib


def data_folder(name: str) -> pathlib.Path:
    """The folder ``spaces`` or ``models`` in the layouts of pip, of ``cmake --install`` and of a checkout."""
    package = pathlib.Path(__file__).resolve().parent
    places = [package / name, package.parents[1] / name, package.parents[2] / "data" / name]
    return next((place for place in places if place.is_dir()), places[0])
