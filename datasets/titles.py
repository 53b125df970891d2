"""Titles of items, for people who read recommendations."""

from dataclasses import replace
from pathlib import Path

from datasets import source
from datasets.reading import layouts, readers
from datasets.specs.spec import Spec


def read(
    spec: Spec, data_dir: str | Path | None = None, *, download: bool = True
) -> dict[str, str] | None:
    """The titles of the data set's items, by raw id; None if its YAML file names no titles.

    Items without a title are left out. ``data_dir`` is as for ``source.find``. With ``download``, a
    file that is not on this machine is downloaded.

    Raises DataError if the file is not found or cannot be read.
    """
    if spec.titles is None:
        return None
    wanted = spec.titles if download else replace(spec.titles, url=None)
    raw = source.find_first([wanted], spec, data_dir)
    layout = spec.titles.layout(layouts.TITLES)
    titles: dict[str, str] = {}
    for path in raw.files:
        for batch in readers.read(path, layout, spec.titles.member):
            pairs = zip(batch["item"].to_pylist(), batch["title"].to_pylist(), strict=True)
            titles |= {item: title for item, title in pairs if title}
    return titles
