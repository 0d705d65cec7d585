# Runs made from other runs: test-time augmentation and ensembles. What follows takes them for runs like any other.


rule combine:
    input:
        runs=lambda wildcards: GRID.member_files(
            cell_of(wildcards), int(wildcards.seed)
        ),
    output:
        record=f"{RUN}/run.json",
        predictions=f"{RUN}/predictions.npz",
        history=f"{RUN}/history.csv",
    log:
        "logs/combine/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}.log",
    benchmark:
        "logs/combine/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}.tsv"
    wildcard_constraints:
        model=COMBINED,
    conda:
        "../../envs/bakeoff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        spec=lambda wildcards: spec_argument(cell_of(wildcards).combine_spec),
        code=lambda wildcards: GRID.combine_code(cell_of(wildcards)),
        members=lambda wildcards: GRID.member_folders(
            cell_of(wildcards), int(wildcards.seed)
        ),
    shell:
        "python -m bakeoff combine --spec {params.spec:q} --code {params.code:q}"
        " --dataset {wildcards.dataset:q} --model {wildcards.model:q} --augmentation {wildcards.augmentation:q}"
        " --recipe {wildcards.recipe:q} --seed {wildcards.seed:q}"
        " --out $(dirname {output.record:q}) {params.members:q} 2> {log:q}"


# What it costs is added up from its models' profiles; nothing is measured.
rule combine_costs:
    input:
        profiles=lambda wildcards: GRID.cost_files(wildcards.model, wildcards.spec),
        run=lambda wildcards: ancient(GRID.cost_run(wildcards.model, wildcards.spec)),
    output:
        record=layout.PROFILE,
    log:
        "logs/combine/{model}-{spec}.log",
    benchmark:
        "logs/combine/{model}-{spec}.tsv"
    wildcard_constraints:
        model=COMBINED,
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
        "python -m bakeoff combine-costs --spec {params.spec:q} --code {params.code:q}"
        " --run {input.run:q} --out {output.record:q} {input.profiles:q} 2> {log:q}"
