# What the rules share: names of files, and the values that go with a job's wildcards.

import re

RUN = layout.RUN

# A job asks for a GPU where there is one (of a GPU that several may share, for a share); on a cluster the profile asks
# for it (set-resources). Which one it is, the job finds out: bakeoff.leases.
GPU = int(
    STUDY.device == "cuda" or (STUDY.device == "auto" and device.machine_has_gpu())
)
# Rule combine makes the runs of these names from others; they are not trained.
COMBINED = "|".join(sorted({re.escape(cell.model) for cell in GRID.combined})) or "(?!)"
# Rule external makes those of these names from files of predictions.
EXTERNAL = "|".join(sorted(map(re.escape, STUDY.external))) or "(?!)"
TRAINED = rf"(?!(?:{COMBINED}|{EXTERNAL})/)[a-z0-9][a-z0-9_.-]*"

# Places of work, not settings: resources are not among the reasons to run a job again. Empty: the step decides.
LOADER_WORKERS = "" if STUDY.train.workers is None else str(STUDY.train.workers)
RESIDENT_GB = "" if STUDY.train.resident_gb is None else str(STUDY.train.resident_gb)

CHECKPOINT_SECONDS = STUDY.train.checkpoint_seconds

# Weights that no step needs any more: kept, or deleted by Snakemake.
WEIGHTS = temp if STUDY.train.keep == "none" else str


# Names are checked when the study is read; here they keep one file from matching two rules.
wildcard_constraints:
    dataset=r"[a-z0-9][a-z0-9_.-]*",
    model=r"[a-z0-9][a-z0-9_.-]*",
    augmentation=r"[a-z0-9][a-z0-9_.-]*",
    recipe=r"[a-z0-9][a-z0-9_.-]*",
    study=r"[a-z0-9][a-z0-9_.-]*",
    spec=r"[0-9a-f]{12}",
    probe=r"[0-9a-f]{12}",
    seed=r"[0-9]+",


# Whether a storage plugin carries inputs and outputs, as where nodes share no folder. Then a job is given each file that
# it reads. Elsewhere a data set's manifest stands for its arrays, whose sha256 it holds, and a plan looks at fewer files.
CARRIED = workflow.storage_settings.default_storage_provider is not None
ARRAYS = [
    f"{part}_{field}.npy"
    for part in ("train", "val", "test")
    for field in ("pixels", "labels", "ids")
]


def data_arrays(*folders):
    """The arrays of prepared data sets that a job has to be given besides their manifests."""
    return [folder / name for folder in folders for name in ARRAYS] if CARRIED else []


def of_study(output):
    """The files of a rule's output for this study. Not by expand(), which takes no files of a storage."""
    folder = layout.STUDY.format(study=STUDY.study)
    return [f"{folder}/{str(path).split(f'{layout.STUDY}/')[1]}" for path in output]


def cell_of(wildcards):
    """The cell that a job's wildcards name."""
    return GRID.cell(
        wildcards.dataset,
        wildcards.model,
        wildcards.augmentation,
        wildcards.recipe,
        wildcards.spec,
    )


def profile_gpus(wildcards):
    """Whether a profile is measured on a GPU; one that asks for a GPU where there is none says so in its record."""
    asked = GRID.profiled(wildcards.model, wildcards.spec)["device"]
    there = asked == "cuda" or (asked == "auto" and device.machine_has_gpu())
    return int(there) * STUDY.train.gpu_share


def train_gpus(wildcards):
    """What a run asks for: GPUs or, where they are shared, shares; several GPUs have no others on them."""
    gpus = STUDY.recipes[wildcards.recipe].gpus
    return GPU * gpus * (STUDY.train.gpu_share if gpus > 1 else 1)


def train_threads(wildcards):
    """Threads of a run: those of each of its processes."""
    return STUDY.threads * STUDY.recipes[wildcards.recipe].gpus


def train_needs(wildcards):
    """Memory and time of a run: what its cell's took before, and after a failed attempt twice as much."""
    cell = "{w.dataset}/{w.model}/{w.augmentation}/{w.recipe}-{w.spec}".format(
        w=wildcards
    )
    processes = STUDY.recipes[wildcards.recipe].gpus
    usual = needs.Needs(
        8000 * processes, 240 if STUDY.train.seeds_together == 1 else 480
    )
    return needs.of(f"train/{cell}/*.tsv", usual)


def profile_needs(wildcards):
    """Memory and time of a profile."""
    times = f"profile/{wildcards.model}-{wildcards.spec}.tsv"
    return needs.of(times, needs.Needs(8000, 60))
