"""Download of a file over HTTP; an interrupted download resumes."""

import os
import re
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

BLOCK = 1 << 16  # bytes written at once: the most that an interruption loses
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
# An overloaded server is asked again after 0, 2, 4 and 8 seconds.
AGAIN = Retry(
    total=4,
    connect=1,
    read=1,
    backoff_factor=1,
    status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False,  # the error of requests names the status and the URL
    respect_retry_after_header=False,  # which may ask for hours
)


def download(url: str, part: Path) -> None:
    """Append to ``part`` the bytes of the file at ``url`` that it lacks.

    An interrupted attempt is followed by another one, as long as each attempt brings new bytes.

    Raises OSError (the base of requests' errors), also if ``part`` is a link, and ValueError for an
    invalid URL.
    """
    if part.is_symlink():
        raise OSError(f"{part} is a link: remove it")
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=AGAIN))
        while True:
            before = _size(part)
            try:
                return _fetch(session, url, part)
            except OSError:
                if _size(part) <= before:
                    raise


def _fetch(session: requests.Session, url: str, part: Path) -> None:
    """One attempt."""
    start = _size(part)
    headers = {"Accept-Encoding": "identity"}  # byte ranges count the stored bytes
    if start:
        headers["Range"] = f"bytes={start}-"
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if start and response.status_code == 416:  # the range is empty: the file has no more bytes
            if response.headers.get("Content-Range", f"bytes */{start}") == f"bytes */{start}":
                return
            part.unlink()  # it is of another file, which was longer
            return _fetch(session, url, part)
        response.raise_for_status()
        if response.status_code != 206:  # the server ignores ranges and sends the whole file
            start = 0
        elif not re.match(rf"bytes {start}-", response.headers.get("Content-Range", "")):
            raise OSError("the server sent another byte range than the one requested")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            open(part, "ab" if start else "wb", opener=_no_link) as out,
            tqdm(
                desc=f"downloading {part.stem}",
                initial=start,
                total=total,
                unit="B",
                unit_scale=True,
                disable=None,  # off when not a terminal
            ) as bar,
        ):
            for block in response.iter_content(BLOCK):
                bar.update(out.write(block))
    if total is not None and _size(part) != total:
        raise OSError(f"the connection closed after {_size(part)} of {total} bytes")


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
