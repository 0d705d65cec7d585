# Tables and report of what is there, in results/{study}/partial/, stamped PARTIAL, with what is missing named. It makes
# nothing that they need; where nothing is missing they are the whole study's.


rule partial:
    log:
        f"logs/partial/{STUDY.study}.log",
    conda:
        "../../envs/bakeoff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        compare=lambda wildcards: spec_argument(
            GRID.compare_spec(partial=GRID.something_is_missing())
        ),
        compare_code=GRID.compare_code,
        report=lambda wildcards: spec_argument(
            GRID.report_spec
            | {"files": STUDY_FILES, "partial": GRID.something_is_missing()}
        ),
        report_code=GRID.report_code,
    shell:
        "python -m bakeoff compare --spec {params.compare:q} --code {params.compare_code:q} 2> {log:q}"
        " && python -m bakeoff report --spec {params.report:q} --code {params.report_code:q} 2>> {log:q}"
