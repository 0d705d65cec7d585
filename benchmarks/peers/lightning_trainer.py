"""PyTorch Lightning's Trainer with its default settings, on the tutorial's data and loader.

What it prints, and its files, are switched off. It logs the loss, as its own introduction does.
"""

from __future__ import annotations

from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks import ours
from benchmarks.peers.entry import Entry
from benchmarks.peers.pictures import Pictures, augmented


class Classifier(lightning.LightningModule):
    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.entry = entry
        self.net = entry.net()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = F.cross_entropy(self.net(images), labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.entry.make_optimizer(self.net)

    def on_train_batch_end(self, outputs: Any, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.entry.count(len(batch[1]))


def train(entry: Entry) -> None:
    loader = DataLoader(
        Pictures(entry.data(), augmented(*entry.mean_std())),
        batch_size=ours.BATCH,
        shuffle=True,
        num_workers=2,
        drop_last=True,
    )
    trainer = lightning.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        precision="bf16-mixed" if entry.precision == "bf16" else "32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Classifier(entry), loader)


if __name__ == "__main__":
    train(Entry.from_command_line())
