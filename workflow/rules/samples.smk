# What the training images look like under each policy: for the report alone, nothing trained depends on it.


rule samples:
    input:
        data=[folder / "manifest.json" for folder in GRID.data_dirs()],
        arrays=data_arrays(*GRID.data_dirs()),
    output:
        arrays=f"{layout.STUDY}/samples.npz",
        record=f"{layout.STUDY}/samples.json",
    log:
        "logs/samples/{study}.log",
    benchmark:
        "logs/samples/{study}.tsv"
    conda:
        "../../envs/bakeoff.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        spec=lambda wildcards: spec_argument(GRID.samples_spec),
        code=GRID.samples_code,
    shell:
        "python -m bakeoff samples --spec {params.spec:q} --code {params.code:q}"
        " --results $(dirname $(dirname {output.record:q})) 2> {log:q}"
