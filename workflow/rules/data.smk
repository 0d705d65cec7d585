# The bytes of a data set become arrays, splits and a manifest, once.


rule prepare:
    output:
        manifest=f"{layout.DATA}/manifest.json",
        arrays=[f"{layout.DATA}/{name}" for name in ARRAYS],
    log:
        "logs/prepare/{dataset}-{spec}.log",
    benchmark:
        "logs/prepare/{dataset}-{spec}.tsv"
    conda:
        "../../envs/bakeoff.yaml"
    threads: lambda wildcards: GRID.data_threads(wildcards.dataset)
    resources:
        mem_mb=4000,
        runtime=60,
        # Places and whether to refuse, not settings: resources are not among the reasons to run a job again.
        data_root=STUDY.data_root,
        place=lambda wildcards: GRID.data_place(wildcards.dataset),
        strict=lambda wildcards: (
            "--strict"
            if GRID.data_audit(wildcards.dataset) == "strict"
            else "--no-strict"
        ),
    params:
        spec=lambda wildcards: spec_argument(GRID.data_spec(wildcards.dataset)),
        code=lambda wildcards: GRID.data_code(wildcards.dataset),
    shell:
        "python -m bakeoff prepare --spec {params.spec:q} --code {params.code:q}"
        " --data-root={resources.data_root:q} --place={resources.place:q} --threads={threads}"
        " {resources.strict}"
        " --out $(dirname {output.manifest:q}) 2> {log:q}"


# What is wrong with the images. Nothing trained depends on it; that `audit: strict` stops a study is seen to by prepare
# and, for what is prepared already, when the study is read.
rule audit:
    input:
        data=f"{layout.DATA}/manifest.json",
        arrays=lambda wildcards: data_arrays(GRID.data_dir(wildcards.dataset)),
    output:
        record=f"{layout.DATA}/audit.json",
    log:
        "logs/audit/{dataset}-{spec}.log",
    benchmark:
        "logs/audit/{dataset}-{spec}.tsv"
    conda:
        "../../envs/bakeoff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        spec=lambda wildcards: spec_argument(GRID.audit_spec(wildcards.dataset)),
        code=GRID.audit_code,
    shell:
        "python -m bakeoff audit --spec {params.spec:q} --code {params.code:q}"
        " --data $(dirname {input.data:q}) --out {output.record:q} 2> {log:q}"
