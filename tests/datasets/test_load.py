"""Loading by name: files are found, downloaded, checked, prepared and cached; or a clear error."""

import hashlib
import math
import threading
import time
from collections import Counter
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

from datasets import DataError, download, interactions, prepare, source
from datasets.coding import memory
from datasets.download import BLOCK
from datasets.prepare import load
from datasets.source import RawFile
from datasets.specs import spec

ROWS = "".join(f"i{item},u{user},5,{item}\n" for user in range(4) for item in range(5))


def described(here, **changes) -> str:
    content = {
        "title": "Mine",
        "sources": [{"file": "mine.csv", "reader": "amazon-2018"}],
        **changes,
    }
    (here / "mine.yaml").write_text(yaml.safe_dump(content))
    return "mine.yaml"


class Mirror(BaseHTTPRequestHandler):
    """A server of ``body``, with byte ranges. It first answers with ``errors``, one a request;
    then each of ``cuts`` ends one answer after that many bytes."""

    body, cuts, ranges, shift, errors, requests = ROWS.encode(), [], True, 0, [], []

    def do_GET(self):
        type(self).requests.append((self.path, self.headers.get("Range")))
        if self.errors:
            self.send_error(self.errors.pop(0))
            return
        asked = self.headers.get("Range") if self.ranges else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        rest = self.body[start:]
        if start >= len(self.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.body)}")
            self.end_headers()
            return
        self.send_response(206 if asked else 200)
        if asked:
            first, size = start + self.shift, len(self.body)
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.cuts.pop(0)] if self.cuts else rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(here):
    """A fresh handler class and the address of a real HTTP server that uses it."""
    handler = type("Handler", (Mirror,), {"requests": [], "errors": [], "cuts": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_each_data_set_that_is_shipped_can_be_read():
    assert spec.names() == [
        "amazon-books",
        "amazon-books-2023",
        "amazon-books-2023-last-out",
        "beauty",
        "beauty-5core",
        "complete-journey",
        "complete-journey-quarter",
        "demo",
        "gowalla",
        "ml-100k",
        "ml-1m",
        "ml-1m-5core",
        "ml-1m-temporal",
        "ml-20m-5core",
        "sports-5core",
        "steam",
        "toys-5core",
        "video",
        "yelp",
    ]
    for name in spec.names():
        assert spec.read(name).name == name


def test_the_demo_is_marked_as_synthetic_and_repeats_itself(here):
    first_spec, first = load("demo")
    assert first_spec.synthetic is not None
    assert "synthetic" in first_spec.title
    again = prepare.prepare(spec.read("demo"))
    assert again.digest == first.digest


def test_the_folders_are_searched_in_order(here, monkeypatch):
    name = described(here)
    for folder, users in (("given", 3), ("variable", 4), ("data", 5)):
        (here / folder).mkdir()
        rows = "".join(f"i{i},u{u},5,{i}\n" for u in range(users) for i in range(3))
        (here / folder / "mine.csv").write_text(rows)
    monkeypatch.setenv(source.FOLDER_VARIABLE, "variable")
    assert load(name, "given")[1].n_users == 3
    assert load(name)[1].n_users == 4
    monkeypatch.delenv(source.FOLDER_VARIABLE)
    assert load(name)[1].n_users == 5


def test_a_prepared_set_is_restored_and_a_changed_or_damaged_one_is_not(here, monkeypatch):
    name = described(here)
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text(ROWS)
    _, first = load(name)
    reads = []
    read = interactions.readers.read
    monkeypatch.setattr(interactions.readers, "read", lambda *a: reads.append(a) or read(*a))
    _, again = load(name)
    assert not reads
    assert again.digest == first.digest
    assert all(np.array_equal(getattr(again, f), getattr(first, f)) for f in ("items", "offsets"))
    cached = next((here / "data/prepared").glob("mine-*.npz"))
    cached.write_bytes(cached.read_bytes()[:-50])
    assert load(name)[1].digest == first.digest
    assert len(reads) == 1
    (here / "data/mine.csv").write_text(ROWS + "i0,u9,5,1\ni1,u9,5,2\ni2,u9,5,3\n")
    assert load(name)[1].n_users == 5
    described(here, filters={"rating": {"min": 1}, "k_core": 4})
    assert load(name)[1].n_users == 4


def test_rows_that_do_not_fit_into_memory_are_on_disk(here, monkeypatch):
    name = described(here)
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text(ROWS)
    _, first = load(name)
    (cached,) = (here / "data/prepared").glob("mine-*.npz")
    cached.unlink()
    monkeypatch.setenv(memory.VARIABLE, "1e-9")
    _, again = load(name)
    assert again.digest == first.digest
    assert isinstance(again.items, np.memmap)
    left = {path.name for path in (here / "data/prepared").iterdir()}
    assert left == {cached.name, f".{cached.name}.lock"}


@pytest.mark.parametrize("value", ["much", "0", "-1", "nan"])
def test_an_amount_of_memory_that_is_none_is_refused(here, monkeypatch, value):
    name = described(here)
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text(ROWS)
    monkeypatch.setenv(memory.VARIABLE, value)
    with pytest.raises(DataError, match="SEQREC_MEMORY_GB should be a number of gigabytes, not"):
        load(name)


def test_what_is_filtered_away_is_counted(here, capsys):
    name = described(here, filters={"rating": {"min": 4}, "timestamp": {"max": 2}})
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text(ROWS + "i1,u1,3,1\n")
    load(name)
    said = capsys.readouterr().out
    assert (
        "21 rows read, 1 with rating outside [4.0, inf], 8 with timestamp outside [-inf, 2.0]"
        in said
    )


def test_a_download_is_kept(mirror, here, monkeypatch):
    handler, url = mirror
    name = described(
        here,
        sources=[
            {
                "file": "mine.csv",
                "reader": "amazon-2018",
                "url": f"{url}/mine.csv",
                "size": len(ROWS),
                "sha256": hashlib.sha256(ROWS.encode()).hexdigest(),
            }
        ],
    )
    assert load(name)[1].n_users == 4
    assert (here / "data/mine.csv").read_text() == ROWS
    assert not list(here.glob("data/*.part"))
    load(name)
    assert len(handler.requests) == 1


def downloaded(here, url, **source) -> str:
    source = {"file": "mine.csv", "reader": "amazon-2018", "url": f"{url}/mine.csv"} | source
    return described(here, sources=[source])


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_breaks_off_goes_on_by_itself(mirror, here, ranges):
    handler, url = mirror
    handler.cuts, handler.ranges = [100_000, 150_000], ranges
    handler.body = (ROWS * 2000).encode()  # 340 kB
    assert load(downloaded(here, url))[1].n_users == 4
    assert (here / "data/mine.csv").read_bytes() == handler.body
    _, *later = (int(asked[6:-1]) if asked else 0 for _, asked in handler.requests)
    expected = (100_000, 250_000 if ranges else 150_000)
    assert all(end - BLOCK <= start <= end for start, end in zip(later, expected, strict=True))


def test_a_download_that_gets_no_further_is_kept_and_the_next_run_goes_on(mirror, here):
    handler, url = mirror
    handler.cuts = [200_000, 0]
    handler.body = (ROWS * 2000).encode()
    name = downloaded(here, url)
    with pytest.raises(DataError, match=r"could not download.*mine.csv.part is kept"):
        load(name)
    kept = (here / "data/mine.csv.part").stat().st_size
    assert 200_000 - BLOCK <= kept <= 200_000
    assert load(name)[1].n_users == 4
    assert handler.requests[-1][1] == f"bytes={kept}-"
    assert (here / "data/mine.csv").read_bytes() == handler.body


def test_more_bytes_than_the_file_has_are_not_taken_for_it(mirror, here):
    handler, url = mirror
    Path("data").mkdir(exist_ok=True)
    part = here / "data/mine.csv.part"
    part.write_text(ROWS + ROWS)  # of a file that has become shorter since
    assert load(downloaded(here, url))[1].n_users == 4
    assert (here / "data/mine.csv").read_bytes() == handler.body
    assert [asked for _, asked in handler.requests] == [f"bytes={2 * len(ROWS)}-", None]


def test_a_server_that_is_overloaded_is_asked_again(mirror, here, monkeypatch):
    handler, url = mirror
    monkeypatch.setattr(download, "AGAIN", download.AGAIN.new(backoff_factor=0.01))
    handler.errors = [503, 503, 429]
    assert load(downloaded(here, url))[1].n_users == 4
    assert len(handler.requests) == 4


def test_a_server_that_stays_overloaded_is_said_so(mirror, here, monkeypatch):
    handler, url = mirror
    monkeypatch.setattr(download, "AGAIN", download.AGAIN.new(backoff_factor=0.01))
    handler.errors = [503] * 10
    with pytest.raises(DataError, match=r"could not download http.*: 503 Server Error"):
        load(downloaded(here, url))
    assert len(handler.requests) == 5


def test_a_file_of_another_length_is_refused_and_not_kept(mirror, here):
    _, url = mirror
    size = len(ROWS)
    message = f"mine.csv.part: {size} bytes instead of {size + 1}; download the file again"
    with pytest.raises(DataError, match=message):
        load(downloaded(here, url, size=size + 1))
    assert not list(here.glob("data/mine*"))


def test_another_part_of_the_file_than_was_asked_for_is_refused(mirror, here):
    handler, url = mirror
    handler.body, handler.cuts, handler.shift = (ROWS * 2000).encode(), [200_000], 1
    with pytest.raises(DataError, match="the server sent another byte range"):
        load(downloaded(here, url))


def test_a_mirror_stands_in_for_every_url(mirror, here, monkeypatch):
    handler, url = mirror
    monkeypatch.setenv(source.MIRROR_VARIABLE, f"{url}/all/")
    name = described(
        here,
        sources=[{"file": "mine.csv", "reader": "amazon-2018", "url": "https://no.where/mine.csv"}],
    )
    load(name)
    assert handler.requests == [("/all/mine.csv", None)]


def test_without_a_network_the_error_names_url_file_and_place(here, monkeypatch):
    monkeypatch.setenv(source.MIRROR_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(DataError) as caught:
        load("amazon-books")
    message = str(caught.value)
    for part in ("http://127.0.0.1:9/Amazon_Books.zip", "the file Amazon_Books.zip in data"):
        assert part in message
    assert "\n" not in message


def test_a_page_that_is_gone_is_said_so(mirror, here):
    handler, url = mirror
    handler.errors = [404]
    with pytest.raises(DataError, match="404"):
        load(downloaded(here, url))
    assert len(handler.requests) == 1


def test_a_wrong_checksum_is_refused_and_the_next_try_starts_anew(mirror, here):
    _, url = mirror
    wrong = {
        "file": "mine.csv",
        "reader": "amazon-2018",
        "url": f"{url}/mine.csv",
        "sha256": "0" * 64,
    }
    name = described(here, sources=[wrong])
    with pytest.raises(DataError, match="wrong checksum: sha256 is "):
        load(name)
    assert not list(here.glob("data/mine*"))
    (here / "data/mine.csv").write_text(ROWS)
    with pytest.raises(DataError, match=r"data/mine.csv: wrong checksum"):
        load(name)


@pytest.mark.parametrize(
    ("changes", "rows", "message"),
    [
        ({"filters": {"rating": {"min": 6}}}, ROWS, "no interaction is left after the filters"),
        ({"filters": {"k_core": 50}}, ROWS, "no interaction is left after the filters"),
        ({}, "i1,u1,5,1\ni2,u1,5,2\ni1,u2,5,1\n", "no user has three interactions"),
        ({}, "".join(f"i1,u1,5,{n}\n" for n in range(9)), "all interactions are with one item"),
        ({"reader": "x"}, ROWS, "mine.yaml: unknown key 'reader' in the file"),
        ({"sources": [{"file": "a"}]}, ROWS, "mine.yaml: sources should have 'reader'"),
        (
            {"sources": [{"file": "a", "reader": "x"}]},
            ROWS,
            "mine.yaml: reader should be one of .* not 'x'",
        ),
        ({"sources": []}, ROWS, "mine.yaml: give either sources or synthetic"),
        ({"filters": {"rating": 3}}, ROWS, "filters.rating should be a mapping, not 3"),
        (
            {"filters": {"rating": {"least": 3}}},
            ROWS,
            "filters.rating should have min, max or both",
        ),
        (
            {"filters": {"k_core": "ten"}},
            ROWS,
            "k_core in filters should be a whole number, not 'ten'",
        ),
        *[
            ({"filters": {"rating": {"min": value}}}, ROWS, "filters.rating should have numbers, ")
            for value in ("x", "nan", math.nan, math.inf, True, None, date(2013, 1, 1))
        ],
        ({"filters": {"rating": {"min": 4, "max": 3}}}, ROWS, "filters.rating: min is above max"),
        *[
            ({"filters": {"timestamp": {"max": value}}}, ROWS, "should have numbers or dates, not ")
            for value in ("2013-02-30", "-inf", math.nan, False)
        ],
        (
            {"filters": {"timestamp": {"min": 1_490_000_000_000}}},
            ROWS,
            "filters.timestamp should be in seconds since 1970, not {'min': 1490000000000}",
        ),
        *[
            ({"filters": {"k_core": k}}, ROWS, "k_core in filters should be from 0 to 1,000,000,0")
            for k in (-1, 10**18)
        ],
        (
            {"sources": [{"file": "a", "reader": "recbole", "size": -1}]},
            ROWS,
            "size in sources should be from 1 to 1,000,000,000,000,000, not -1",
        ),
        ({"title": 5}, ROWS, "title in the file should be text, not 5"),
        ({"filters": {"price": 3}}, ROWS, "unknown key 'price' in filters"),
        ({"split": "random"}, ROWS, "leave-one-out, temporal, or {train: FILE, .*, not 'random'"),
    ],
)
def test_bad_data_and_bad_specs_are_named(here, changes, rows, message):
    name = described(here, **changes)
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text(rows)
    with pytest.raises(DataError, match=message):
        load(name)


def test_the_files_of_a_split_are_downloaded_from_one_folder(mirror):
    handler, address = mirror
    rows = {"a": "a,u,5,1\nb,u,5,2\n", "b": "c,u,5,3\n", "c": "d,u,5,4\n"}
    handler.body = property(lambda self: rows[self.path[-1]].encode())
    files = dict(zip(("train", "valid", "test"), "abc", strict=True))
    source = {"file": "folder", "reader": "amazon-2018", "url": f"{address}/far/"}
    Path("data/folder").mkdir(parents=True)
    Path("data/folder/b").write_text(rows["b"])  # left by a download that was interrupted
    name = described(Path(), sources=[source], split=files)
    assert load(name)[1].n_interactions == 4
    assert [path for path, _ in handler.requests] == ["/far/a", "/far/c"]
    load(name)
    assert len(handler.requests) == 2


def test_unknown_names_and_folders_are_named(here):
    (here / "shop.yaml").touch()
    with pytest.raises(DataError, match=r"path of a YAML file \(did you mean 'shop.yaml'\?\)$"):
        load("shop")
    with pytest.raises(DataError, match=r"\(did you mean 'ml-1m'\?\)$"):
        load("ml1m")
    with pytest.raises(DataError, match=r"no data set is called 'ml-2m': choose one of amazon-b"):
        load("ml-2m")
    with pytest.raises(DataError, match=r"no\.yaml: no such file"):
        load("no.yaml")
    (here / "bad.yaml").write_text("title: [")
    with pytest.raises(DataError, match=r"bad\.yaml:1: cannot be read as YAML: expected"):
        load("bad.yaml")
    with pytest.raises(DataError, match="nowhere: the data folder does not exist"):
        load("ml-1m", "nowhere")


def test_users_with_fewer_than_three_items_are_counted(here):
    name = described(here)
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text(ROWS + "i1,short,5,1\ni2,short,5,2\n")
    described_as, sequences = load(name)
    split = described_as.split_of(sequences)
    assert split.users_not_evaluated == 1
    assert len(split.test.users) == 4


@pytest.mark.parametrize(
    ("name", "interactions", "users", "items"),
    [
        ("ml-1m", 834_449, 6_033, 3_123),
        ("ml-1m-temporal", 834_449, 6_033, 3_123),
        ("ml-1m-5core", 999_611, 6_040, 3_416),
        ("ml-100k", 80_393, 939, 1_016),
        ("beauty", 353_962, 40_226, 54_542),
        ("beauty-5core", 198_502, 22_363, 12_101),
        ("video", 287_107, 31_013, 23_715),
    ],
)
def test_real_data_have_the_published_counts(here, shared_data, name, interactions, users, items):
    counts = load(name, shared_data)[1].statistics
    assert (counts["interactions"], counts["users"], counts["items"]) == (
        interactions,
        users,
        items,
    )
    started = time.perf_counter()
    load(name, shared_data)
    print(f"{name}: restored in {time.perf_counter() - started:.3f} s")


@pytest.mark.parametrize(
    ("ends", "kept"),
    [
        ({"min": date(2013, 1, 1)}, [3, 4, 5]),
        ({"max": date(2012, 12, 31)}, [0, 1, 2]),  # the whole day
        ({"min": "2012-12-31", "max": "2013-01-01"}, [1, 2, 3, 4]),
        ({"min": datetime(2013, 1, 1, 0, 0, 1)}, [4, 5]),  # UTC
        ({"min": "2013-01-02T01:00+01:00"}, [5]),
        ({"min": "1.3569984e9"}, [3, 4, 5]),
    ],
)
def test_times_are_filtered_by_dates(here, ends, kept):
    midnight = 1_356_998_400  # 2013-01-01
    times = [midnight + s for s in (-86_401, -86_400, -0.001, 0, 86_399.999, 86_400)]
    name = described(here, filters={"timestamp": ends})
    (here / "data").mkdir()
    rows = [f"i{n},u,5,{time}\n" for n, time in enumerate(times)]
    (here / "data/mine.csv").write_text("".join(rows))
    read = spec.read(name)
    raw = RawFile(read.sources[0], Path("data/mine.csv"))
    found = pa.Table.from_batches(interactions.read(raw, read.filters, Counter()))
    assert found["item"].to_pylist() == [f"i{n}" for n in kept]
    (here / "again.yaml").write_text(yaml.safe_dump(read.as_dict()))
    assert spec.read("again.yaml").filters == read.filters
