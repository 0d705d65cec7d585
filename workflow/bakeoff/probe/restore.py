"""A run's network as it was when it was trained, and the images of its data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bakeoff.data import arrays
from bakeoff.device import prepare_device
from bakeoff.errors import Refused
from bakeoff.models import registry, weights
from bakeoff.provenance import Json, check_files, content_digest, read_record, spec_digest


@dataclass(frozen=True)
class Restored:
    """A network in evaluation mode, on its device, that takes bytes; and what it is asked about."""

    net: nn.Module
    mean: Tensor  # [1, C, 1, 1], of pixels in 0..1
    std: Tensor
    order: torch.memory_format
    bf16: bool
    splits: dict[arrays.Part, arrays.Split]
    flip: bool
    class_names: list[str]
    record: Json

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.mean.device

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pixels [B, C, S, S] uint8, wherever they are, as the network wants them: float32 on its device."""
        # In the same order as in training, for the same bits.
        scale, shift = 1 / (255 * self.std), self.mean / self.std
        return pixels.to(self.device).to(torch.float32, memory_format=self.order).mul_(scale).sub_(shift)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Logits [B, classes] float32 of pixels [B, C, S, S] uint8, on the device."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits: Tensor = self.net(self.normalise(pixels))
        return logits.float()

    def pixels(self, part: arrays.Part) -> Tensor:
        """Images [N, C, S, S] uint8 of a part, in the host's memory."""
        return torch.from_numpy(self.splits[part].pixels)


def restore(run_dir: Path, data: Path) -> Restored:
    """The network of the run in `run_dir`, trained on the prepared `data`.

    Raises Refused when weights, record or data are not those that belong together.
    """
    path = run_dir / "run.json"
    record = read_record(path, "run")
    check_files(path, record, "model.safetensors", "predictions.npz")
    spec = record["spec"]
    manifest = read_record(data / "manifest.json", "data", spec=spec_digest(spec["dataset"]))
    if content_digest(manifest) != record["data_digest"]:
        raise Refused(f"{path}: was trained on other data than {data} holds now; delete it to train anew")
    check_files(data / "manifest.json", manifest)
    device = prepare_device(spec["device"], spec["threads"])
    shape = {"channels": manifest["channels"], "size": manifest["size"], "classes": len(manifest["class_names"])}
    net = registry.build(spec["model"], **shape)
    weights.restore(net, run_dir / "model.safetensors")
    arithmetic = record["arithmetic"]
    order = torch.channels_last if arithmetic["channels_last"] else torch.contiguous_format
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic["precision"] == "tf32"
    figures = (torch.tensor(record["normalisation"][key], device=device).view(1, -1, 1, 1) for key in ("mean", "std"))
    mean, std = figures
    return Restored(
        net=net.to(device).to(memory_format=order).eval(),
        mean=mean,
        std=std,
        order=order,
        bf16=arithmetic["precision"] == "bf16",
        splits={part: arrays.load(data, part) for part in arrays.PARTS},
        flip=manifest["flip"],
        class_names=manifest["class_names"],
        record=record,
    )
