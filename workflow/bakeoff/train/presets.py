"""Recipes that a specialist would accept, by name: `preset: cnn-sgd` in a recipe; further keys there win.

A preset is a starting point for a family of nets. A comparison is fair when all its models have one recipe, or the same
`tuning:` budget; presets for CNNs and for ViTs in one study are two recipes, and so two cells.
"""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # CNNs on images of CIFAR's size, from random weights: He et al. 2016 (section 4.2: SGD, batch 128, lr 0.1), weight
    # decay as Zagoruyko and Komodakis 2016, and warm-up and cosine of "Bag of tricks" (He et al. 2019).
    "cnn-sgd": {
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "batch_size": 128,
        "epochs": 100,
        "schedule": "cosine",
        "warmup_epochs": 5,
    },
    # CNNs in few epochs: LAMB with label smoothing, after "ResNet strikes back" (Wightman et al. 2021, procedure A3).
    "cnn-lamb": {
        "optimizer": "lamb",
        "lr": 8e-3,
        "weight_decay": 0.02,
        "batch_size": 256,
        "epochs": 50,
        "schedule": "cosine",
        "warmup_epochs": 5,
        "label_smoothing": 0.1,
    },
    # ViTs from random weights: DeiT (Touvron et al. 2021, table 9), its rate of 5e-4 x batch / 512 at batch 128
    # raised to what small nets take; small images need the long schedule.
    "vit-adamw": {
        "optimizer": "adamw",
        "lr": 1e-3,
        "weight_decay": 0.05,
        "batch_size": 128,
        "epochs": 200,
        "schedule": "cosine",
        "warmup_epochs": 10,
        "label_smoothing": 0.1,
        "drop_path": 0.1,
        "clip_grad_norm": 1.0,
    },
    # ViTs from pretrained weights: fine-tuning of BEiT and MAE (Bao et al. 2022; He et al. 2022, table 9).
    "vit-finetune": {
        "weights": "pretrained",
        "optimizer": "adamw",
        "lr": 5e-4,
        "weight_decay": 0.05,
        "layer_decay": 0.75,
        "drop_path": 0.1,
        "batch_size": 128,
        "epochs": 50,
        "schedule": "cosine",
        "warmup_epochs": 5,
        "label_smoothing": 0.1,
        "clip_grad_norm": 1.0,
    },
}
