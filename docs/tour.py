"""Takes the pictures of docs/tour.md again, of MLflow's own pages in headless Chromium.

    mlflow ui &                                    # or a team's server
    python docs/tour.py --experiment demo          # pictures go to docs/tour/

It needs requirements-dev.txt and Chromium (Debian: apt-get install chromium). The experiment has to
have a sweep, a champion and a report in HTML; which commands make them is in docs/tour.md.
"""

import shutil
import sys
from pathlib import Path
from urllib.parse import quote

import click
from mlflow import MlflowClient
from playwright.sync_api import Page, sync_playwright

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
SIZE = {"width": 1280, "height": 800}
