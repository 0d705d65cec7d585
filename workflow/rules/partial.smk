# Tables and report of what is there, stamped PARTIAL, with what is missing named. It makes nothing that they need. Where
# something is missing they are moved to results/{study}/partial/: Snakemake would take them for those of the whole study.

PARTIAL_OF = layout.study_dir(STUDY.study)


def something_is_missing():
    """Whether a record that the comparison reads does not exist."""
    wanted = [
        *GRID.run_files(["run.json", "metrics.json"]),
        *GRID.profiles(),
        *GRID.probes(),
        *GRID.verifications(),
    ]
    return not all(path.exists() for path in wanted)


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
        missing=lambda wildcards: "yes" if something_is_missing() else "",
        compare=lambda wildcards: spec_argument(
            GRID.compare_spec(partial=something_is_missing())
        ),
        compare_code=GRID.compare_code,
        report=lambda wildcards: spec_argument(
            GRID.report_spec | {"files": STUDY_FILES}
        ),
        report_code=GRID.report_code,
    shell:
        "python -m bakeoff compare --spec {params.compare:q} --code {params.compare_code:q} 2> {log:q}"
        " && python -m bakeoff report --spec {params.report:q} --code {params.report_code:q} 2>> {log:q}"
        " && if [ {params.missing:q} ]; then"
        " rm -rf {PARTIAL_OF}/partial {PARTIAL_OF}.part && mv {PARTIAL_OF} {PARTIAL_OF}.part"
        " && mkdir {PARTIAL_OF} && mv {PARTIAL_OF}.part {PARTIAL_OF}/partial"
        " && echo 'The report of what is there: {PARTIAL_OF}/partial/report.html'; fi"
