# Runs made from predictions of others. What follows takes them for runs like any other.

import os


rule external:
    input:
        predictions=lambda wildcards: cell_of(wildcards).files[int(wildcards.seed)],
        data=lambda wildcards: GRID.data_dir(wildcards.dataset) / "manifest.json",
        arrays=lambda wildcards: data_arrays(GRID.data_dir(wildcards.dataset)),
    output:
        record=f"{RUN}/run.json",
        predictions=f"{RUN}/predictions.npz",
        history=f"{RUN}/history.csv",
    log:
        "logs/external/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}.log",
    benchmark:
        "logs/external/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}.tsv"
    wildcard_constraints:
        model=EXTERNAL,
    conda:
        "../../envs/bakeoff.yaml"
    threads: 1
    resources:
        # A CSV is read as text and then as numbers.
        mem_mb=lambda wildcards, input: max(
            2000, 8 * int(os.stat(input.predictions).st_size / 2**20)
        ),
        runtime=30,
    params:
        spec=lambda wildcards: spec_argument(cell_of(wildcards).external_spec),
        code=lambda wildcards: GRID.run_code(cell_of(wildcards)),
    shell:
        "python -m bakeoff external --spec {params.spec:q} --code {params.code:q}"
        " --dataset {wildcards.dataset:q} --model {wildcards.model:q} --augmentation {wildcards.augmentation:q}"
        " --recipe {wildcards.recipe:q} --seed {wildcards.seed:q}"
        " --predictions={input.predictions:q} --data $(dirname {input.data:q})"
        " --out $(dirname {output.record:q}) 2> {log:q}"


# Nothing is measured: what was published of its costs, or why there is none.
rule external_costs:
    output:
        record=layout.PROFILE,
    log:
        "logs/external/{model}-{spec}.log",
    benchmark:
        "logs/external/{model}-{spec}.tsv"
    wildcard_constraints:
        model=EXTERNAL,
    conda:
        "../../envs/bakeoff.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        spec=lambda wildcards: spec_argument(
            GRID.profiled(wildcards.model, wildcards.spec)
        ),
        code=lambda wildcards: GRID.profile_code(wildcards.model),
    shell:
        "python -m bakeoff external-costs --spec {params.spec:q} --code {params.code:q}"
        " --out {output.record:q} 2> {log:q}"
