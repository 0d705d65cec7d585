# All statistics of a study: which differences are real.


rule compare:
    input:
        records=GRID.run_files(["run.json"]),
        metrics=GRID.run_files(["metrics.json"]),
        histories=ancient(GRID.run_files(["history.csv"])),
        predictions=ancient(GRID.run_files(["predictions.npz"])),
        profiles=GRID.profiles(),
        probes=GRID.probes(),
        verifications=GRID.verifications(),
        data=[folder / "manifest.json" for folder in GRID.data_dirs()],
        arrays=data_arrays(*GRID.data_dirs()),
        audits=GRID.audits(),
    output:
        comparison=report(
            f"{layout.STUDY}/comparison.json",
            category="Tables",
            caption="../report/comparison.rst",
            labels={"table": "comparison", "data set": "all", "format": "JSON"},
        ),
        table=report(
            f"{layout.STUDY}/comparison.csv",
            category="Tables",
            caption="../report/comparison.rst",
            labels={"table": "comparison", "data set": "all", "format": "CSV"},
        ),
        runs=report(
            f"{layout.STUDY}/runs.csv",
            category="Tables",
            caption="../report/runs.rst",
            labels={"table": "all runs", "data set": "all", "format": "CSV"},
        ),
        costs=report(
            f"{layout.STUDY}/costs.csv",
            category="Tables",
            caption="../report/costs.rst",
            labels={"table": "costs", "data set": "all", "format": "CSV"},
        ),
        coverage=f"{layout.STUDY}/coverage.csv",
        curves=f"{layout.STUDY}/curves.csv",
        confusion=f"{layout.STUDY}/confusion.json",
        diagnostics=f"{layout.STUDY}/diagnostics.json",
        errors=f"{layout.STUDY}/errors.npz",
        explanations=f"{layout.STUDY}/explanations.npz",
    log:
        "logs/compare/{study}.log",
    benchmark:
        "logs/compare/{study}.tsv"
    conda:
        "../../envs/bakeoff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        spec=lambda wildcards: spec_argument(GRID.compare_spec()),
        code=GRID.compare_code,
    shell:
        "python -m bakeoff compare --spec {params.spec:q} --code {params.code:q}"
        " --results $(dirname $(dirname {output.comparison:q})) 2> {log:q}"
