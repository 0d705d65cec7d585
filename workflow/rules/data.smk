# The bytes of a data set become arrays, splits and a manifest, once.


rule prepare:
    output:
        manifest=f"{layout.DATA}/manifest.json",
        arrays=[
            f"{layout.DATA}/{part}_{field}.npy"
            for part in ("train", "val", "test")
            for field in ("pixels", "labels", "ids")
        ],
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
        # Places and what to refuse, not settings: resources are not among the reasons to run a job again.
        data_root=STUDY.data_root,
        place=lambda wildcards: GRID.data_place(wildcards.dataset),
        audit=lambda wildcards: GRID.data_audit(wildcards.dataset),
    params:
        spec=lambda wildcards: spec_argument(GRID.data_spec(wildcards.dataset)),
        code=lambda wildcards: GRID.data_code(wildcards.dataset),
    shell:
        "python -m bakeoff prepare --spec {params.spec:q} --code {params.code:q}"
        " --data-root={resources.data_root:q} --place={resources.place:q} --threads={threads}"
        " --audit={resources.audit:q}"
        " --out $(dirname {output.manifest:q}) 2> {log:q}"
