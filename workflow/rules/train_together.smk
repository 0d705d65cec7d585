# Instead of train.smk where a study says train.seeds_together: several seeds of a cell in one job, one rule for each group
# of seeds that its cells have.

for SEEDS, SPECS in GRID.seed_groups().items():
    SEEDS_NAME = "_".join(map(str, SEEDS))
    # One seed is written where it is told, several each into a folder of its own below.
    PLACE = (
        "{output.records[0]:q}"
        if len(SEEDS) == 1
        else "$(dirname {output.records[0]:q})"
    )

    rule:
        name:
            f"train_seeds_{SEEDS_NAME}"
        input:
            data=lambda wildcards: GRID.data_dir(wildcards.dataset) / "manifest.json",
            arrays=lambda wildcards: data_arrays(GRID.data_dir(wildcards.dataset)),
            tuned=lambda wildcards: GRID.tuning_files(cell_of(wildcards)),
        output:
            records=[f"{layout.CELL}/seed{seed}/run.json" for seed in SEEDS],
            others=[
                f"{layout.CELL}/seed{seed}/{name}"
                for seed in SEEDS
                for name in ("predictions.npz", "history.csv")
            ],
            weights=[
                WEIGHTS(f"{layout.CELL}/seed{seed}/model.safetensors")
                for seed in SEEDS
            ],
        log:
            f"logs/train/{{dataset}}/{{model}}/{{augmentation}}/{{recipe}}-{{spec}}/seeds{SEEDS_NAME}.log",
        benchmark:
            f"logs/train/{{dataset}}/{{model}}/{{augmentation}}/{{recipe}}-{{spec}}/seeds{SEEDS_NAME}.tsv"
        wildcard_constraints:
            spec="|".join(SPECS),
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
            # One seed is written where it is told, several each into a folder of its own below that.
            above="" if len(SEEDS) == 1 else "/..",
            seeds=" ".join(f"--seed {seed}" for seed in SEEDS),
        params:
            spec=lambda wildcards: spec_argument(GRID.train_spec(cell_of(wildcards))),
            code=lambda wildcards: GRID.train_code(cell_of(wildcards)),
        shell:
            "python -m bakeoff train --spec {params.spec:q} --code {params.code:q}"
            " --dataset {wildcards.dataset:q} --model {wildcards.model:q} --augmentation {wildcards.augmentation:q}"
            " --recipe {wildcards.recipe:q} {resources.seeds}"
            " --data $(dirname {input.data:q}) --tuned={input.tuned:q}"
            " --checkpoint-seconds={resources.checkpoint_seconds:q} --results-store={resources.results_store:q}"
            " --gpu-share={resources.gpu_share:q} --keep={resources.keep:q}"
            " --workers={resources.loader_workers:q} --resident-gb={resources.resident_gb:q} --weights={resources.weights:q}"
            " --out $(dirname {output.records[0]:q}){resources.above} 2> {log:q}"
