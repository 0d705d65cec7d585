"""What tells other programs how to use an export, and how to make its network again."""

from __future__ import annotations

from typing import Any

import yaml

from bakeoff.provenance import Json


def preprocessor(info: Json) -> Json:
    """From a file to the input of the graph, and what its output means: preprocessor.json."""
    return {
        "size": info["size"],
        "mode": "L" if info["channels"] == 1 else "RGB",
        "fit": info["fit"],
        "resample": "bilinear",
        "turn_by_exif": True,
        "large_jpegs": "decoded at a fraction of their size" if info["reduces_jpegs"] else "decoded in full",
        "transparency": "dropped",
        "sixteen_bits": "upper 8 are kept",
        "input": {"name": "images", "dtype": "uint8", "shape": ["batch", info["size"], info["size"], info["channels"]]},
        "output": {"probabilities": ["batch", len(info["labels"])], "logits": ["batch", len(info["labels"])]},
        "in_the_graph": {"normalisation": info["normalisation"], "temperature": info["temperature"]},
        "labels": info["labels"],
    }


def study(info: Json) -> str:
    """A study file that trains this very run, but for files of the user's own: their paths are in no record."""
    dataset, settings = info["data"]["settings"], info["settings"]
    entry = {"name": dataset["name"], "source": dataset["source"], **dataset["settings"], **dataset.get("options", {})}
    model, policy, recipe = settings["model"], settings["augmentation"], dict(settings["recipe"])
    if recipe.get("phases"):
        del recipe["epochs"]  # which those of the phases are
    document: dict[str, Any] = {
        "study": "again",
        "device": info["training"]["asked_device"],
        "threads": info["training"]["threads"],
        "datasets": [entry],
        "models": [{"name": model["name"], "builder": model["builder"], **model["options"]}],
        "augmentations": [{"name": info["augmentation"], "policy": policy["policy"], **policy["options"]}],
        "recipes": {info["recipe"]: recipe},
        "seeds": [info["seed"]],
        "train": {"seeds_together": info["training"]["seeds_together"]},
    }
    head = [f"# Trains {info['name']} again: bakeoff run study.yaml"]
    if "content" in dataset:
        head.append(f"# Add under datasets the path of your images (content {dataset['content'][:12]}): path: ...")
    if recipe.get("weights", "").startswith("sha256:"):
        head.append("# The initial weights are a file of one's own, known here by its sha256: put its path there.")
    return "\n".join(head) + "\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
