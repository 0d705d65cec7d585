# What a trained network tells beyond its predictions: only where the study asks for it.


rule probe:
    input:
        record=f"{RUN}/run.json",
        weights=ancient(f"{RUN}/model.safetensors"),
        data=lambda wildcards: GRID.data_dir(wildcards.dataset) / "manifest.json",
    output:
        record=f"{layout.PROBE}/probe.json",
    log:
        "logs/probe/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}-{probe}.log",
    benchmark:
        "logs/probe/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}-{probe}.tsv"
    conda:
        "../../envs/bakeoff.yaml"
    threads: STUDY.threads
    resources:
        gpu=GPU,
        gpu_share=STUDY.train.gpu_share,
        mem_mb=8000,
        runtime=120,
    params:
        spec=spec_argument(GRID.probe_spec),
        code=lambda wildcards: GRID.probe_code(wildcards.model),
    shell:
        "python -m bakeoff probe --spec {params.spec:q} --code {params.code:q}"
        " --run $(dirname {input.record:q}) --data $(dirname {input.data:q})"
        " --gpu-share={resources.gpu_share:q} --out $(dirname {output.record:q}) 2> {log:q}"


# Its embeddings compared pair by pair: only where the study asks for it. Numpy only, so the probe's GPU is free by then.
rule verification:
    input:
        record=f"{layout.PROBE}/probe.json",
    output:
        record=layout.VERIFICATION,
    log:
        "logs/verification/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}-{probe}.log",
    benchmark:
        "logs/verification/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}-{probe}.tsv"
    conda:
        "../../envs/bakeoff.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=GRID.verification_code,
    shell:
        "python -m bakeoff verification {input.record:q} --code {params.code:q}"
        " --out $(dirname {output.record:q}) > {log:q} 2>&1"
