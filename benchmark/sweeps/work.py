"""Work on the trials of a plan, and what the terminal and the sweep's run show of it."""

from tqdm import tqdm

from benchmark.sweeps.plan import Plan
from benchmark.sweeps.summary import summary
from benchmark.sweeps.tasks import Executor, Task
from benchmark.tracking.writing.report import report_run


def work(plan: Plan, executor: Executor) -> None:
    """Run all trials that are not finished. Each is stored when it ends."""
    if plan.n_to_come and (line := plan.by_the_data()):
        print(f"by the data: {line}", flush=True)
    sweep = plan.sweep
    shared = plan.definition.as_dict(plan.data.sequences)["settings"]
    sweep.log_shared(shared, plan.data)
    report = report_run(sweep.client, sweep.experiment_id)
    if plan.n_ended:
        sweep.log_progress(summary(plan, report))

    def next_task() -> Task | None:
        task = plan.next_task()
        if task:
            _print(plan.start_line(task))
        return task

    with tqdm(initial=plan.n_ended, unit="trial", disable=None) as bar:
        bar.total = plan.total()
        for task, lost in executor.run(next_task):
            sweep.heart.check()
            trial = plan.ended(task, lost)
            sweep.log_seconds()
            sweep.log_progress(summary(plan, report))
            bar.total = plan.total()
            if best := plan.best():
                bar.set_postfix_str(f"best complete point {best.score:.4f}", False)
            bar.update()
            _print(plan.end_line(task, trial))


def _print(line: str) -> None:
    with tqdm.external_write_mode():  # the progress bar makes room for the line
        print(line, flush=True)
