"""Find the file of a data set on this machine, or download it."""

import hashlib
import os
from pathlib import Path

import requests

from datasets import locks
from datasets.download import download
from datasets.errors import DataError
from datasets.spec import Source, Spec

DEFAULT_FOLDER = Path("data")
FOLDER_VARIABLE = "SEQREC_DATA_DIR"
MIRROR_VARIABLE = "SEQREC_MIRROR"


def find(spec: Spec, data_dir: str | Path | None = None) -> tuple[Source, Path]:
    """The first source of the data set whose file is at hand, else the first one downloaded.

    Looked for in ``data_dir``, then in $SEQREC_DATA_DIR, then in ./data. Downloads go to ./data,
    from $SEQREC_MIRROR/<file> where that is set, else from the source's own URL.
    """
    folders = [Path(f) for f in (data_dir, os.environ.get(FOLDER_VARIABLE)) if f]
    for folder in folders:
        if not os.path.isdir(folder):
            raise DataError(f"{folder}: the data folder does not exist")
    for folder in [*folders, DEFAULT_FOLDER]:
        for source in spec.sources:
            path = folder / source.file
            if os.path.isfile(path):
                _verify(path, source)
                return source, path
    for source in spec.sources:
        if source.url:
            return source, _download(source, spec, folders)
    files = " or ".join(source.file for source in spec.sources)
    raise DataError(f"{spec.name}: place {files} in {_places(folders)}: it has no URL")


def _places(folders: list[Path]) -> str:
    return " or ".join(str(folder) for folder in [*folders, DEFAULT_FOLDER])


def _verify(path: Path, source: Source) -> None:
    """Raise DataError if the size or the checksum is not the one that the data set states."""
    try:
        _verify_readable(path, source)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _verify_readable(path: Path, source: Source) -> None:
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        raise DataError(f"{path}: {size} bytes instead of {source.size}; get the file again")
    if source.sha256 is not None:
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != source.sha256:
            raise DataError(
                f"{path}: wrong checksum: sha256 is {found} instead of {source.sha256}; "
                "get the file again"
            )


def _download(source: Source, spec: Spec, folders: list[Path]) -> Path:
    """Into ``<file>.part``, going on where a broken download stopped; renamed once verified."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    url = f"{mirror.rstrip('/')}/{source.file}" if mirror else source.url
    path = DEFAULT_FOLDER / source.file
    with locks.alone(path, "downloads") as part:
        if os.path.isfile(path):  # another process was faster
            _verify(path, source)
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download(url, part)
        except (requests.RequestException, OSError, ValueError) as error:  # ValueError: no such URL
            kept = f" ({part} is kept: the next try goes on from there)" * os.path.exists(part)
            raise DataError(
                f"{spec.name}: could not download {url}: {_reason(error)}{kept}; try again, or "
                f"place the file {source.file} in {_places(folders)} by hand"
            ) from None
        try:
            _verify(part, source)
        except DataError:
            part.unlink()  # going on from wrong bytes would never end well
            raise
        os.replace(part, path)
    return path


def _reason(error: Exception) -> str:
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "no answer from the server"
    return str(error)
