"""The code, the newest release in CHANGELOG.md and CITATION.cff have the same version."""

import re

import yaml

import benchmark
from tests.conftest import ROOT


def test_the_version_is_that_of_the_changelog_and_of_the_citation():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    version, date = re.findall(r"^## (\S+) \((\S+)\)$", changelog, re.MULTILINE)[0]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert version == citation["version"] == benchmark.__version__
    assert date == str(citation["date-released"])
