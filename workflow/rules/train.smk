# One run: the only expensive step. It also writes the predictions, so nothing after it needs the GPU.


rule train:
    input:
        data=lambda wildcards: GRID.data_dir(wildcards.dataset) / "manifest.json",
        arrays=lambda wildcards: data_arrays(GRID.data_dir(wildcards.dataset)),
        tuned=lambda wildcards: GRID.tuning_files(cell_of(wildcards)),
    output:
        record=f"{RUN}/run.json",
        predictions=f"{RUN}/predictions.npz",
        history=f"{RUN}/history.csv",
        weights=WEIGHTS(f"{RUN}/model.safetensors"),
    log:
        "logs/train/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}.log",
    benchmark:
        "logs/train/{dataset}/{model}/{augmentation}/{recipe}-{spec}/seed{seed}.tsv"
    wildcard_constraints:
        model=TRAINED,
    conda:
        "../../envs/bakeoff.yaml"
    threads: lambda wildcards: train_threads(wildcards)
    resources:
        gpu=lambda wildcards: train_gpus(wildcards),
        mem_mb=lambda wildcards, attempt: attempt * train_needs(wildcards).mem_mb,
        runtime=lambda wildcards, attempt: attempt * train_needs(wildcards).runtime,
        loader_workers=LOADER_WORKERS,
        gpu_share=STUDY.train.gpu_share,
        checkpoint_seconds=CHECKPOINT_SECONDS,
        resident_gb=RESIDENT_GB,
        keep=STUDY.train.keep,
        results_store=STUDY.results_store or "",
        weights=lambda wildcards: str(GRID.weights_file(cell_of(wildcards)) or ""),
    params:
        spec=lambda wildcards: spec_argument(GRID.train_spec(cell_of(wildcards))),
        code=lambda wildcards: GRID.train_code(cell_of(wildcards)),
    shell:
        "python -m bakeoff train --spec {params.spec:q} --code {params.code:q}"
        " --dataset {wildcards.dataset:q} --model {wildcards.model:q} --augmentation {wildcards.augmentation:q}"
        " --recipe {wildcards.recipe:q} --seed {wildcards.seed:q}"
        " --data $(dirname {input.data:q}) --tuned={input.tuned:q}"
        " --checkpoint-seconds={resources.checkpoint_seconds:q} --results-store={resources.results_store:q}"
        " --gpu-share={resources.gpu_share:q} --keep={resources.keep:q}"
        " --workers={resources.loader_workers:q} --resident-gb={resources.resident_gb:q} --weights={resources.weights:q}"
        " --out $(dirname {output.record:q}) 2> {log:q}"
