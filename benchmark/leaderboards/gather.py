"""A board from the trials of a tracking server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mlflow import MlflowClient

from benchmark import __version__
from benchmark.leaderboards.board import Board, Cell, Column, Entry, Kind, Outcome
from benchmark.reporting.comparison import Comparison, compare_leading
from benchmark.reporting.labels import settings_of
from benchmark.reporting.leaderboard import SHOWN, Standing, leaderboard
from benchmark.reporting.ranking import SLIM, Ranking, ReportError, Row, order
from benchmark.tracking import schema, server
from benchmark.tracking.reading.trials import Record
