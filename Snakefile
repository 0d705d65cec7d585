"""Bakeoff: from one study file to the paper's table. `snakemake --cores all --resources gpu=1` runs config.yaml;
`--configfile studies/NAME.yaml` another study. What each step does is in workflow/bakeoff/, one folder a step.
"""

import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.enums import Quietness
from snakemake.utils import min_version

min_version("9.20")

# The jobs run `python -m bakeoff`, in this environment or one that conda made, installed there or not.
PACKAGE = str(Path(workflow.basedir) / "workflow")
sys.path.insert(0, PACKAGE)
shell.prefix(
    f"export PYTHONPATH={shlex.quote(PACKAGE)}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
)

from bakeoff import device, layout, lock, needs
from bakeoff.commands import news
from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.provenance import spec_argument
from bakeoff.study import load_workflow

try:
    # Not `configfile:`, which runs code that stands in YAML; see workflow/bakeoff/studyfile.py.
    STUDY = load_workflow(
        workflow.config_settings.configfiles,
        workflow.config_settings.config,
        Path(workflow.basedir) / "config.yaml",
    )
    GRID = Grid(STUDY)
    GRID.cells
    GRID.check_audits()
    if workflow.storage_settings.default_storage_provider:
        GRID.check_carried()
except UserError as error:
    raise WorkflowError(str(error)) from None

# Before Snakemake refuses to start in a folder that is locked, say by whom it is and what to do.
if workflow.is_main_process and (remark := lock.remark()):
    print(f"bakeoff: {remark}", file=sys.stderr, flush=True)


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/tune.smk"


if STUDY.train.seeds_together == 1:

    include: "workflow/rules/train.smk"

else:

    include: "workflow/rules/train_together.smk"


include: "workflow/rules/profile.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/combine.smk"
include: "workflow/rules/external.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/samples.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/partial.smk"


# The whole study, from data to report. Each file of the report, not its page alone: where a rule has an output that was
# never made, as with another format of figures, Snakemake does not see that its settings or its code changed, either.
rule all:
    default_target: True
    input:
        of_study(rules.report.output),
    localrule: True


# Parts of it: `snakemake data`, `snakemake trained`, ...
rule data:
    input:
        [folder / "manifest.json" for folder in GRID.data_dirs()],
        GRID.audits(),
    localrule: True


rule trained:
    input:
        GRID.run_files(["run.json"]),
    localrule: True


rule profiled:
    input:
        GRID.profiles(),
    localrule: True


rule evaluated:
    input:
        GRID.run_files(["metrics.json"]),
    localrule: True


# Snakemake's `--quiet all` is meant for these lines too.
QUIET = Quietness.ALL in (workflow.output_settings.quiet or ())
NEWS = news.News(GRID)


onstart:
    lock.hold()
    # Snakemake 9's limit of 100 starts of jobs a second has it look through all waiting jobs once a second for each job
    # that has ended: of hundreds of runs that is most of what it does. Any other limit stays.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    if not QUIET:
        # workflow.cores is an error where jobs are sent elsewhere and no number of cores was given.
        NEWS.begin(workflow.resource_settings.cores)


onsuccess:
    lock.release()
    if not QUIET:
        NEWS.end()
        print(
            news.success(
                GRID, "report" in {job.rule.name for job in workflow.dag.jobs}
            )
        )


onerror:
    lock.release()
    if not QUIET:
        NEWS.end()
        print(news.failure(GRID))
