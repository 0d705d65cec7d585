# Tables, figures and one HTML file, from the comparison's files alone.

import os

FIGURES = {
    "pareto_macs": "Accuracy against MACs",
    "pareto_latency": "Accuracy against latency",
    "pareto_params": "Accuracy against parameters",
    "pareto_size": "Accuracy against size",
    "pareto_memory": "Accuracy against memory",
    "pareto_training": "Accuracy against training time",
    "pareto_energy": "Accuracy against energy",
    "forest": "Differences to the baseline",
    "seeds": "Every run",
    "effects": "Effects of the factors",
    "critical_difference": "Ranks over data sets",
    "data_amount": "Accuracy against training images",
    "curves": "Training curves",
    "learning_rate": "Learning rates",
    "confusion": "Confusion matrices",
    "confusion_difference": "Confusions, candidate minus baseline",
    "per_class": "Recall of each class, candidate minus baseline",
    "errors": "The worst errors",
    "outputs": "Predicted against true",
    "roc": "ROC curves",
    "pr": "Precision against recall",
    "thresholds": "Accuracy against the threshold",
    "reliability": "Reliability diagrams",
    "corruptions": "Accuracy under corruptions",
    "explanations": "Where the models look",
    "samples": "Training images under each policy",
}
# One for each question and data set: comparison and data set, as folder and file.
TABLES = [
    (question.name, dataset)
    for question in STUDY.questions()
    for dataset in sorted({cell.dataset for cell in GRID.every_cell})
]
# As the report's commands name them: as they were given, seen from here.
STUDY_FILES = [os.path.relpath(path) for path in workflow.config_settings.configfiles]
if workflow.config_settings.config.get("scale") == "small":
    STUDY_FILES = [*(STUDY_FILES or ["config.yaml"]), "--config", "scale=small"]
FORMATS = {"html": "HTML", "csv": "CSV", "tex": "LaTeX"}


rule report:
    input:
        rules.compare.output.comparison,
        rules.compare.output.coverage,
        rules.compare.output.curves,
        rules.compare.output.confusion,
        rules.compare.output.diagnostics,
        rules.compare.output.errors,
        rules.compare.output.explanations,
        rules.samples.output,
    output:
        html=report(
            f"{layout.STUDY}/report.html",
            category="Report",
            caption="../report/report.rst",
            labels={"page": "the whole study"},
        ),
        tables=expand(
            f"{layout.STUDY}/comparison.{{format}}",
            format=["md", "tex"],
            allow_missing=True,
        ),
        each=[
            report(
                f"{layout.STUDY}/tables/{question}/{dataset}.{format}",
                category="Tables",
                caption="../report/table.rst",
                labels={
                    "table": question,
                    "data set": dataset,
                    "format": FORMATS[format],
                },
            )
            for question, dataset in TABLES
            for format in FORMATS
        ],
        plain=[
            f"{layout.STUDY}/tables/{question}/{dataset}.{format}"
            for question, dataset in TABLES
            for format in ("md", "json")
        ]
        + [
            f"{layout.STUDY}/tables/gates.{format}"
            for format in ("md", "json")
            if STUDY.requirements
        ],
        gates=[
            report(
                f"{layout.STUDY}/tables/gates.{format}",
                category="Tables",
                caption="../report/gates.rst",
                labels={
                    "table": "requirements",
                    "data set": "all",
                    "format": FORMATS[format],
                },
            )
            for format in FORMATS
            if STUDY.requirements
        ],
        preview=f"{layout.STUDY}/tables/preview.tex",
        figures=[
            report(
                f"{layout.STUDY}/figures/{figure}.svg",
                category="Figures",
                caption=f"../report/{figure}.rst",
                labels={"figure": title},
            )
            for figure, title in FIGURES.items()
        ],
        prints=expand(
            f"{layout.STUDY}/figures/{{figure}}.{{format}}",
            figure=FIGURES,
            format=STUDY.report.prints,
            allow_missing=True,
        ),
    log:
        "logs/report/{study}.log",
    benchmark:
        "logs/report/{study}.tsv"
    conda:
        "../../envs/bakeoff.yaml"
    # Scaled down to what there is; figures are drawn side by side.
    threads: 4
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        spec=lambda wildcards: spec_argument(GRID.report_spec | {"files": STUDY_FILES}),
        code=GRID.report_code,
    shell:
        "python -m bakeoff report --spec {params.spec:q} --code {params.code:q}"
        " --results $(dirname $(dirname {output.html:q})) --processes {threads} 2> {log:q}"
