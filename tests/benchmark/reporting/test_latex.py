"""The LaTeX report compiles inside an article of one column, and no line is too long."""

import re
import shutil
import subprocess

import pytest

from benchmark.reporting.formats import latex
from tests.benchmark.reporting.made import content, trial

ODD = r"a&b%c$d#e_f{g}h~i^j\k<l>m|n`o'p\"q--r[s]é中ő 50% of_x"
LONG = "TransformerWithAVeryLongNameAndManyLayers"


def compiled(folder, *texts):
    """The log of pdflatex on a document of these texts."""
    packages = sorted(
        {package for text in texts for package in re.findall(r"\\usepackage\S*", text)}
    )
    lines = [r"\documentclass{article}", *packages, r"\begin{document}", *texts, r"\end{document}"]
    (folder / "all.tex").write_text("\n".join(lines), encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-3000:]
    assert (folder / "all.pdf").exists()
    return (folder / "all.log").read_text(errors="replace")


@pytest.fixture(scope="module")
def reports():
    """Of one model, of ten with long names, several seeds and many settings, and of odd text."""
    settings = {f"a_setting_{n}": "[64, 64, 64, 64]" for n in range(9)}
    ten = [
        trial(
            f"{LONG}{n}",
            1 + n / 9,
            seed,
            dropout=n / 10,
            **{s: f"{v}{n}" for s, v in settings.items()},
        )
        for n in range(10)
        for seed in (1, 2)
    ]
    odd = [trial(ODD, 1, extra=ODD), trial(ODD * 5, 2, extra=ODD.replace(" ", "") * 3)]
    return {
        "one": content(trial("BERT4Rec")),
        "ten": content(*ten),
        "odd": content(*odd, verdict=(ODD,)),
    }


@pytest.mark.process
@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="apt-get install texlive-latex-recommended"
)
def test_pdflatex_sets_every_report_without_a_line_that_is_too_long(reports, tmp_path):
    texts = [
        latex.render(found, name, full=full)[f"{name}.tex"].replace("tab:", f"tab:{full}")
        for name, found in reports.items()
        for full in (False, True)
    ]
    log = compiled(tmp_path, *texts)
    assert "Overfull" not in log
    assert "Float too large" not in log
    assert "multiply defined" not in log
    assert "Missing character" not in log


def test_the_best_is_bold_the_second_underlined_and_letters_name_lower_rows():
    found = content(
        *(trial(n, q, seed) for n, q in (("A", 1), ("B", 2), ("C", 4)) for seed in (1, 2))
    )
    text = latex.render(found, "my tables/é_1")["my tables/é_1.tex"]
    assert r"\label{tab:my-tables-1}" in text
    rows = [line for line in text.splitlines() if re.match("[a-c] & ", line)]
    for row, standing, beaten in zip(
        rows, found.leaderboard.standings, ("b,c", "c", ""), strict=True
    ):
        figure = standing.test["ndcg@10"]
        mean = f"{figure.mean:.4f}"
        marked = {"A": rf"\textbf{{{mean}}}", "B": rf"\underline{{{mean}}}"}
        after = rf"{{\scriptsize\,$\pm$\,{figure.deviation:.4f}}}"
        after += rf"\textsuperscript{{{beaten}}}" * bool(beaten)
        assert f"& {marked.get(standing.row.model, mean)} & {after} & " in row
    (caption,) = re.findall(r"\\caption{(.*)}\n", text)
    assert caption == (
        "Test results on Demo. Protocol: leave-one-out, every item a candidate. Each model is "
        "shown with its best settings by validation ndcg@10, the best model first. "
        r"$\pm$: standard deviation over 2 seeds. Bold: best; underlined: second best. "
        "Letters after ndcg@10: rows that are significantly lower (paired t test over users, "
        "Holm's correction, $p < 0.05$)."
    )
    assert "longtable}{" not in text


def test_consecutive_rows_are_named_by_their_ends():
    assert latex._ranges([0, 1, 2, 4, 6, 7]) == "a--c,e,g,h"
    assert latex._ranges([50, 51, 52]) == "Y--53"
    assert latex._ranges([]) == ""


def test_text_of_runs_is_text():
    assert latex.escape(r"a_b & 5% of \x --y") == r"a\_b \& 5\% of \textbackslash{}x -{}-y"
    assert latex.escape("é 中") == "é U+4E2D"
    assert latex.escape("a" * 17) == r"\allowbreak{}".join(["a" * 8, "a" * 8, "a"])
