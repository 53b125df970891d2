"""Find a data set's raw file on this machine, or download it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import requests

from datasets import locks
from datasets.download import download
from datasets.errors import DataError
from datasets.spec import Source, Spec

DEFAULT_FOLDER = Path("data")
FOLDER_VARIABLE = "SEQREC_DATA_DIR"
MIRROR_VARIABLE = "SEQREC_MIRROR"


@dataclass(frozen=True)
class RawFile:
    """A source whose file is on this machine."""

    source: Source
    path: Path


def find(spec: Spec, data_dir: str | Path | None = None) -> RawFile:
    """The first source whose file is on this machine; if there is none, the first with a URL is
    downloaded.

    Files are searched for in ``data_dir``, then in $SEQREC_DATA_DIR, then in ./data. Downloads go
    to ./data; if $SEQREC_MIRROR is set, they come from $SEQREC_MIRROR/<file>.

    Raises DataError if a folder does not exist, if a file has the wrong size or checksum, if the
    download fails, and if there is neither file nor URL.
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
                return RawFile(source, path)
    for source in spec.sources:
        if source.url:
            return RawFile(source, _download(source, source.url, spec.name, folders))
    files = " or ".join(source.file for source in spec.sources)
    raise DataError(
        f"{spec.name}: no file found, and no URL to download from: place {files} in "
        f"{_folder_names(folders)}"
    )


def _folder_names(folders: list[Path]) -> str:
    return " or ".join(str(folder) for folder in [*folders, DEFAULT_FOLDER])


def _verify(path: Path, source: Source) -> None:
    """Raise DataError if the file's size or checksum differs from the source's."""
    try:
        _verify_readable(path, source)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _verify_readable(path: Path, source: Source) -> None:
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        raise DataError(f"{path}: {size} bytes instead of {source.size}; download the file again")
    if source.sha256 is not None:
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != source.sha256:
            raise DataError(
                f"{path}: wrong checksum: sha256 is {found} instead of {source.sha256}; "
                "download the file again"
            )


def _download(source: Source, url: str, name: str, folders: list[Path]) -> Path:
    """Download to ``<file>.part``, resume what an earlier attempt left there, rename the file once
    it is verified. ``name`` and ``folders`` are for the error message."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror:
        url = f"{mirror.rstrip('/')}/{source.file}"
    path = DEFAULT_FOLDER / source.file
    with locks.alone(path, "downloading") as locked:
        process = "" if locked else f".{os.getpid()}"  # only the lock's holder may resume
        part = path.with_name(f"{path.name}{process}.part")
        if os.path.isfile(path):  # another process was faster
            _verify(path, source)
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download(url, part)
        except (requests.RequestException, OSError, ValueError) as error:  # ValueError: invalid URL
            resumes = os.path.isfile(part) and not os.path.islink(part)
            kept = f" ({part} is kept, the next attempt resumes)" if resumes else ""
            raise DataError(
                f"{name}: could not download {url}: {_cause(error)}{kept}; try again, or "
                f"place the file {source.file} in {_folder_names(folders)}"
            ) from None
        try:
            _verify(part, source)
        except DataError:
            part.unlink()  # resuming from wrong bytes would never succeed
            raise
        os.replace(part, path)
    return path


def _cause(error: Exception) -> str:
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "no answer from the server"
    return str(error)
