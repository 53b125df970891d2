"""Messages show no passwords."""

import pytest

from benchmark.errors import UserError
from datasets import DataError
from datasets.errors import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@host:5000/#/experiments/1", "http://***@host:5000/#/experiments/1"),
        ("'http://me:p@ss@host', 'http://me:pw@other'", "'http://***@host', 'http://***@other'"),
        ("postgresql+psycopg://mlflow:p/w@host/db", "postgresql+psycopg://***@host/db"),
        ("mysql://host/db?user=me&password=pw&ssl=1", "mysql://host/db?user=me&password=***&ssl=1"),
        ("s3://AKIA123:ab/cd+e=@bucket/key", "s3://***@bucket/key"),
        ("https://host/a.zip?X-Amz-Signature=ab&part=1", "https://host/a.zip?X-Amz-Signature=***&part=1"),
        ("https://host/a.zip?sv=1&sig=ab%2Fc", "https://host/a.zip?sv=1&sig=***"),
        ("https://token@github.com/me/it.git", "https://***@github.com/me/it.git"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("http://host:50 has no models:/a@best", "http://host:50 has no models:/a@best"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
    ],
)  # fmt: skip
def test_credentials_in_urls_are_masked_and_all_else_is_kept(text, shown):
    assert masked(text) == shown
    assert str(DataError(text)) == shown
    assert str(UserError(text)) == shown
