"""Whether an error of the tracking server is an outage, which ends, or a refusal, which does
not."""

import json
import re
from typing import Any

import requests
from google.protobuf.json_format import ParseError
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException, RestException
from mlflow.utils import rest_utils

from datasets.errors import masked

LONGEST_REASON = 200  # characters
DEFECTS = (AssertionError, AttributeError, KeyError, NameError, TypeError)
"""What a mistake in this program raises, which is never an outage."""
STATUS = re.compile(
    r"error code (?P<code>\d+) != \d+\. Response body: '(?P<body>.*)'$"  # of a request
    r"|too many (?P<errors>\d+) error responses"
)
UNWRITABLE = re.compile("database or disk is full|attempt to write a readonly database")  # SQLite
FOREIGN = "an answer that is not MLflow's"


class ForeignAnswer(requests.RequestException):
    """Something else than MLflow's server answered, such as a proxy in front of it."""


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


def cannot_write(error: Exception) -> bool:
    """Whether a database on this machine has no room, or cannot be written: no outage that ends."""
    here = isinstance(error, MlflowException) and not isinstance(error, RestException)
    return here and bool(UNWRITABLE.search(str(error)))


def is_forbidden(error: Exception) -> bool:
    """Whether the server, or a proxy, does not know the user, or lets the user do no such thing."""
    if isinstance(error, RestException):
        return error.get_http_status_code() in (401, 403)
    return bool(re.match("status 40[13]", reason(error)))


def check_answer(answer: Any) -> None:
    """Raises ForeignAnswer for a run or an experiment without an id.

    MLflow takes any JSON object for one: fields that it does not know are ignored.
    """
    run_without_id = isinstance(answer, Run) and not answer.info.run_id
    if run_without_id or (isinstance(answer, Experiment) and not answer.experiment_id):
        raise ForeignAnswer(FOREIGN)


def refuse_empty_answers() -> None:
    """From now on MLflow's client raises ForeignAnswer for an empty answer.

    Without this it takes an empty answer for an empty object, which means that there are no runs,
    no experiments and no tags. MLflow's own server answers {} instead.
    """
    rest_utils.verify_rest_response = _verify_rest_response


_mlflows_verification = rest_utils.verify_rest_response


def _verify_rest_response(
    response: requests.Response, endpoint: str, expected_status: int = 200
) -> requests.Response:
    if response.status_code == 200 and not response.text.strip():
        raise ForeignAnswer(f"{FOREIGN}: an empty one")
    verified: requests.Response = _mlflows_verification(response, endpoint, expected_status)
    return verified


def reason(error: Exception | None) -> str:
    """The error in one line of at most 200 characters; common outages in two or three words."""
    text = masked(" ".join(str(error or "no answer yet").split()))
    if found := STATUS.search(text):
        body = found["body"] or ""
        status = f"status {found['code'] or found['errors']}"
        text = f"{status}: {body}" if body and not body.startswith("<") else status
    elif "Max retries exceeded" in text:
        text = "no connection"
    elif isinstance(error, json.JSONDecodeError | ParseError) or "not in a valid JSON" in text:
        text = FOREIGN
    return text[:LONGEST_REASON]


def problem(error: Exception) -> str:
    """What is wrong with a server, after its name: it does not answer, fails, or refuses."""
    why = reason(error)
    if is_forbidden(error):
        return f"refuses the request: {why}"
    fails = why.startswith(("status", FOREIGN))
    return f"fails: {why}" if fails else f"does not answer: {why}"
