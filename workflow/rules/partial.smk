# Tables and report of what is there, stamped PARTIAL, with what is missing named. It makes nothing that they need, and
# has no outputs of its own: the files are those of compare and report, which make them anew once all is there.


def compare_what_is_there(wildcards):
    """Settings of the comparison: partial only where something is missing."""
    wanted = [
        *GRID.run_files(["run.json", "metrics.json"]),
        *GRID.profiles(),
        *GRID.probes(),
        *GRID.verifications(),
    ]
    return spec_argument(
        GRID.compare_spec(partial=not all(path.exists() for path in wanted))
    )


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
        compare=compare_what_is_there,
        compare_code=GRID.compare_code,
        report=lambda wildcards: spec_argument(
            GRID.report_spec | {"files": STUDY_FILES}
        ),
        report_code=GRID.report_code,
    shell:
        "python -m bakeoff compare --spec {params.compare:q} --code {params.compare_code:q} 2> {log:q}"
        " && python -m bakeoff report --spec {params.report:q} --code {params.report_code:q} 2>> {log:q}"
