"""Imports get other package names; everything else stays."""

import pytest

from benchmark.renaming import renamed

NAMES = {"models": "seqrec.models", "datasets": "seqrec.datasets"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import models", "from seqrec import models"),
        ("import models as m", "import seqrec.models as m"),
        ("import models.batches", "import seqrec.models.batches; from seqrec import models"),
        ("import models.batches as b", "import seqrec.models.batches as b"),
        ("import os, models, re as r", "import os; from seqrec import models; import re as r"),
        ("from models import MODELS", "from seqrec.models import MODELS"),
        ("from models.model import (\n    A,\n)", "from seqrec.models.model import (\n    A,\n)"),
        ("from \\\n  datasets.files import a", "from \\\n  seqrec.datasets.files import a"),
        (
            "def f():\n    import datasets; x = 1",
            "def f():\n    from seqrec import datasets; x = 1",
        ),
        ("é = 1; from models import a", "é = 1; from seqrec.models import a"),
        ("from .models import a", "from .models import a"),
        ("from . import models", "from . import models"),
        ("from modelsx.models import a", "from modelsx.models import a"),
        ("import x.models", "import x.models"),
        (
            "# import models\nt = 'from models import a'",
            "# import models\nt = 'from models import a'",
        ),
        ("models.build(datasets)", "models.build(datasets)"),
    ],
)
def test_an_import_has_the_new_name_and_binds_the_same(source, expected):
    assert renamed(source, NAMES) == expected


def test_a_package_can_get_one_name_without_a_parent():
    source = "import models\nimport models.a\nfrom models.b import c\n"
    expected = "import m1 as models\nimport m1.a; import m1 as models\nfrom m1.b import c\n"
    assert renamed(source, {"models": "m1"}) == expected


def test_what_is_not_python_is_refused():
    with pytest.raises(SyntaxError):
        renamed("import", NAMES)
