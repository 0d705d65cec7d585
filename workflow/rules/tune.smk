# A search over learning rate and weight decay, for recipes with a budget for one: once a cell, not once a seed.


rule tune:
    input:
        data=lambda wildcards: GRID.data_dir(wildcards.dataset) / "manifest.json",
        arrays=lambda wildcards: data_arrays(GRID.data_dir(wildcards.dataset)),
    output:
        layout.TUNING,
    log:
        "logs/tune/{dataset}/{model}/{augmentation}/{recipe}-{spec}.log",
    benchmark:
        "logs/tune/{dataset}/{model}/{augmentation}/{recipe}-{spec}.tsv"
    conda:
        "../../envs/bakeoff.yaml"
    threads: STUDY.threads
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=1440,
        loader_workers=LOADER_WORKERS,
        gpu_share=STUDY.train.gpu_share,
        checkpoint_seconds=CHECKPOINT_SECONDS,
        resident_gb=RESIDENT_GB,
        results_store=STUDY.results_store or "",
        weights=lambda wildcards: str(GRID.weights_file(cell_of(wildcards)) or ""),
    params:
        spec=lambda wildcards: spec_argument(GRID.train_spec(cell_of(wildcards))),
        code=lambda wildcards: GRID.train_code(cell_of(wildcards)),
    shell:
        "python -m bakeoff tune --spec {params.spec:q} --code {params.code:q}"
        " --dataset {wildcards.dataset:q} --model {wildcards.model:q} --augmentation {wildcards.augmentation:q}"
        " --recipe {wildcards.recipe:q} --data $(dirname {input.data:q}) --out $(dirname {output:q})"
        " --checkpoint-seconds={resources.checkpoint_seconds:q} --results-store={resources.results_store:q}"
        " --gpu-share={resources.gpu_share:q}"
        " --workers={resources.loader_workers:q} --resident-gb={resources.resident_gb:q} --weights={resources.weights:q} 2> {log:q}"
