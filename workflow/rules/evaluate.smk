# All metrics of one run, from its predictions and its history alone.

import os


rule evaluate:
    input:
        record=f"{RUN}/run.json",
        # The record holds the sha256 of these two, so it tells when they change; their time does not.
        predictions=ancient(f"{RUN}/predictions.npz"),
        history=ancient(f"{RUN}/history.csv"),
    output:
        metrics=f"{RUN}/metrics.json",
    log:
        "logs/evaluate/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}.log",
    benchmark:
        "logs/evaluate/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}.tsv"
    # Before further trainings: figures come early, and few jobs wait. At each start of a job Snakemake asks the system for
    # the size of every input of all that wait, each run's own files among them, and that grows with the square of the runs.
    priority: 1
    conda:
        "../../envs/bakeoff.yaml"
    threads: 1
    resources:
        # float64 tables of images x classes: several times the file, which holds 16 or 32 bits a number.
        # Not Snakemake's input.size_mb, which takes an event loop a job to find it. Not known before the file is there.
        mem_mb=lambda wildcards, input: max(
            2000, 12 * int(os.stat(input.predictions).st_size / 2**20)
        ),
        runtime=30,
    params:
        spec=lambda wildcards: spec_argument(GRID.evaluate_spec),
        code=GRID.evaluate_code,
    shell:
        "python -m bakeoff evaluate --spec {params.spec:q} --code {params.code:q}"
        " --run $(dirname {input.record:q}) 2> {log:q}"
