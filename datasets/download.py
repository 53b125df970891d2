"""A file over HTTP, going on where a download broke off."""

import re
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

BLOCK = 1 << 16  # bytes; at most so many are lost when a download breaks off
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
# A server that is overloaded is asked again after 0, 2, 4 and 8 seconds.
AGAIN = Retry(
    total=4,
    connect=1,
    read=1,
    backoff_factor=1,
    status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False,  # requests says it better
    respect_retry_after_header=False,  # which may be hours
)


def download(url: str, part: Path) -> None:
    """Append to ``part`` what is missing of the file at ``url``. As long as every try brings more,
    one that breaks off is followed by another.

    Raises OSError (which requests' errors are), and ValueError for what is no address.
    """
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
    start = _size(part)
    headers = {"Accept-Encoding": "identity"}  # byte ranges count the stored bytes
    if start:
        headers["Range"] = f"bytes={start}-"
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if start and response.status_code == 416:  # nothing is missing
            return
        response.raise_for_status()
        if response.status_code != 206:  # the server sends the whole file
            start = 0
        elif not re.match(rf"bytes {start}-", response.headers.get("Content-Range", "")):
            raise OSError("the server sends another part of the file than it was asked for")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            open(part, "ab" if start else "wb") as out,
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
        raise OSError(f"it broke off after {_size(part)} of {total} bytes")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
