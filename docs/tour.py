"""Take the pictures of docs/tour.md: MLflow's own pages, in headless Chromium.

    mlflow server &
    python docs/tour.py --experiment demo          # --server: another tracking server

This needs requirements-dev.txt and Chromium (Debian: apt-get install chromium). The experiment must
have trials, an HTML report and a champion: docs/tour.md has the commands that make them.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

import click
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from playwright.sync_api import Error, Page, ViewportSize, sync_playwright

PARAMETER = "learning_rate"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
SIZE = ViewportSize(width=1280, height=800)
SETTLED = 1500  # milliseconds, because plots are animated


@click.command()
@click.option(
    "--experiment", required=True, help="Experiment with trials, an HTML report and a champion."
)
@click.option(
    "--server",
    default="http://127.0.0.1:5000",
    show_default=True,
    help="Address of the tracking server.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path(__file__).with_suffix(""),
    help="Folder to write the pictures to.  [default: docs/tour]",
)
def tour(experiment: str, server: str, output: Path) -> None:
    """Write compared.png, curves.png, report.png and model.png."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise click.ClickException("no Chromium on this machine: apt-get install chromium")
    try:
        addresses = _addresses(MlflowClient(server), experiment)
    except MlflowException as error:
        raise click.ClickException(f"{server}: {error.message}") from None
    output.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport=SIZE)
        try:
            page.goto(server)
            # Instead of the menu for language models. The home page has a card "Model Training".
            page.get_by_role("button", name="Model training", exact=True).click()
            page.get_by_role("button", name="Close", exact=True).click()  # closes the assistant
            for name, ready in PICTURES.items():
                page.goto(f"{server}/#{addresses[name]}")
                ready(page)
                page.wait_for_timeout(SETTLED)
                page.screenshot(path=output / f"{name}.png")
                click.echo(output / f"{name}.png")
        except Error as error:
            reason = error.message.splitlines()[0]
            raise click.ClickException(f"{page.url}: not as expected: {reason}") from None


def _addresses(client: MlflowClient, name: str) -> dict[str, str]:
    """The address of each picture's page, by the picture's name.

    Raises MlflowException, and ClickException if the experiment lacks something.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        raise click.ClickException(f"there is no experiment {name!r}")
    experiment_id = experiment.experiment_id
    found = client.search_runs(
        [experiment_id], f"params.{PARAMETER} LIKE '%'", order_by=["start_time"]
    )
    trials = [run for run in found if "seqrec.heartbeat" not in run.data.tags]  # a sweep's own run
    reports = client.search_runs([experiment_id], "tags.`seqrec.report` LIKE '%'")
    files = [file.path for run in reports for file in client.list_artifacts(run.info.run_id)]
    pages = [file for file in files if file.endswith(".html")]
    if not trials or not pages:
        missing = "report in HTML" if trials else f"trial with a {PARAMETER}"
        raise click.ClickException(f"experiment {name!r} has no {missing}")
    champion = client.get_model_version_by_alias(name, "champion")
    runs = {"runs": [run.info.run_id for run in trials], "experiments": [experiment_id]}
    curve = {"metric": "valid/ndcg_at_10", "plot_metric_keys": ["valid/ndcg_at_10"]}
    return {
        "compared": f"/compare-runs?{_query(runs)}",
        "curves": f"/metric?{_query({**runs, **curve})}",
        "report": (
            f"/experiments/{experiment_id}/runs/{reports[0].info.run_id}/artifacts/{pages[0]}"
        ),
        "model": f"/models/{name}/versions/{champion.version}",
    }


def _query(values: Mapping[str, object]) -> str:
    """A query string, with JSON values, as MLflow's pages read it."""
    return urlencode({key: json.dumps(value) for key, value in values.items()})


def _compared(page: Page) -> None:
    page.get_by_text("Scatter Plot", exact=True).click()
    for axis, wanted in {"x": PARAMETER, "y": "best_valid/ndcg_at_10"}.items():
        page.locator(f"#{axis}-axis-selector").click()
        page.get_by_role("option", name=wanted, exact=True).click()


def _curves(page: Page) -> None:
    page.get_by_text("Step", exact=True).first.click()  # epochs on the x axis, not the time
    page.locator(".js-line").first.wait_for()


def _report(page: Page) -> None:
    page.frame_locator("iframe").locator("#plot-0 .main-svg").first.wait_for()


def _model(page: Page) -> None:
    page.get_by_text("champion").first.wait_for()


PICTURES: dict[str, Callable[[Page], None]] = {
    "compared": _compared,
    "curves": _curves,
    "report": _report,
    "model": _model,
}
"""By name, what to click and to wait for before the picture is taken."""


if __name__ == "__main__":
    tour()
