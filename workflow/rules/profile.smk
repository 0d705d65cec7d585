# What a model costs: once for a shape of input and a number of classes, not once a run.


rule profile:
    output:
        record=layout.PROFILE,
    log:
        "logs/profile/{model}-{spec}.log",
    benchmark:
        "logs/profile/{model}-{spec}.tsv"
    wildcard_constraints:
        model=rf"(?!(?:{COMBINED}|{EXTERNAL})-[0-9a-f]{{12}}\.json)[a-z0-9][a-z0-9_.-]*",
    conda:
        "../../envs/bakeoff.yaml"
    # More than any machine has: Snakemake scales it down to all cores, so that the measurement has the machine to
    # itself. The step pins its own number of threads.
    threads: 999
    resources:
        gpu=lambda wildcards: profile_gpus(wildcards),
        mem_mb=lambda wildcards, attempt: attempt * profile_needs(wildcards).mem_mb,
        runtime=lambda wildcards, attempt: attempt * profile_needs(wildcards).runtime,
    params:
        spec=lambda wildcards: spec_argument(
            GRID.profiled(wildcards.model, wildcards.spec)
        ),
        code=lambda wildcards: GRID.profile_code(wildcards.model),
        # Above 0 where an earlier attempt found no GPU and there is one now.
        attempt=lambda wildcards: GRID.profile_attempt(wildcards.model, wildcards.spec),
    shell:
        "python -m bakeoff profile --spec {params.spec:q} --code {params.code:q} --attempt {params.attempt} "
        "--out {output.record:q} 2> {log:q}"
