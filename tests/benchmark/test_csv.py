"""Columns of histories that pass to a CSV file of recommendations, whatever their type."""

import io

import pyarrow as pa
import pyarrow.csv
import pytest

from benchmark.errors import UserError
from benchmark.serving.recommendation import _csv_schema, _write_batch


def written(column: pa.Array) -> str:
    given = pa.record_batch([column], ["a"])
    schema = _csv_schema(given.schema)
    file = io.BytesIO()
    with pyarrow.csv.CSVWriter(file, schema) as out:
        _write_batch(out, pa.record_batch([column.cast(schema.types[0])], schema))
    return file.getvalue().decode()


def test_text_of_every_type_is_quoted():
    texts = ['a"b', "c\nd", "e,f", None]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        assert written(pa.array(texts, kind)) == '"a"\n"a""b"\n"c\nd"\n"e,f"\n\n'


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(UserError, match="columns a of the histories have bytes, which CSV has no"):
        written(pa.array([b"\xff"]))
