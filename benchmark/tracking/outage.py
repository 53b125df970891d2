"""Whether an error of the tracking server is an outage, which ends, or a refusal, which does
not."""

import json

import requests
from google.protobuf.json_format import ParseError
from mlflow.exceptions import MlflowException, RestException

LONGEST_REASON = 200  # characters


def is_outage(error: Exception) -> bool:
    """Whether the same request may succeed later.

    A refusal is MLflow's own answer, with a status below 500. A proxy in front of a server that
    restarts answers in MLflow's place, with any status and in HTML, or cuts the answer short: that
    is an outage.
    """
    if isinstance(error, MlflowException):
        from_proxy = not isinstance(error, RestException) and "API request to" in str(error)
        return from_proxy or error.get_http_status_code() >= 500
    return isinstance(error, requests.RequestException | json.JSONDecodeError | ParseError)


def reason(error: Exception | None) -> str:
    """The error in one line of at most 200 characters; common outages in two or three words."""
    text = " ".join(str(error or "no answer yet").split())
    if "error responses" in text:  # urllib3: too many 500 error responses
        return "it answers with errors"
    return "no connection" if "Max retries exceeded" in text else text[:LONGEST_REASON]
