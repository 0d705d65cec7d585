"""What `bakeoff doctor` looks at. Each check says what it found, how grave that is, and what to do."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bakeoff.commands import machine
from bakeoff.commands.units import counted, size
from bakeoff.errors import UserError

if TYPE_CHECKING:
    from bakeoff.grid import Grid

State = Literal["ok", "warning", "problem"]
PYTHON = ((3, 11), (3, 13))
SNAKEMAKE = (9, 20)
LITTLE_MEMORY, LITTLE_DISK = 2e9, 2e9
LIMIT = 180.0
"""Seconds that the import of torch may take: on a cold network disk that is minutes."""
LOCKS = Path(".snakemake/locks")
_ASIAN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]")

_TORCH = """
import json, torch, torchvision, timm
boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
torchvision.ops.nms(boxes, torch.ones(1), 0.5)  # its C++ part is built for one version of torch
gpus = []
if torch.cuda.is_available():
    for i in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(i)
        torch.ones(8, device=f"cuda:{i}").sum().item()
        gpus.append({"name": torch.cuda.get_device_name(i), "free": free, "total": total})
print(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__, "timm": timm.__version__,
                  "cuda": torch.version.cuda, "gpus": gpus}))
"""
_FONTS = """
import json
from bakeoff.report import lettering
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
names = lettering.families()
print(json.dumps([n for n in names if FT2Font(font_manager.findfont(n)).get_char_index(ord("\\u8a9e"))]))
"""


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it is, what was found, what to do where it is not well."""

    name: str
    state: State
    found: str
    remedy: str = ""


def python() -> Check:
    """The interpreter."""
    low, high = (".".join(map(str, version)) for version in PYTHON)
    state: State = "ok" if PYTHON[0] <= sys.version_info[:2] <= PYTHON[1] else "problem"
    found = f"{platform.python_version()}, {sys.executable}"
    return Check("Python", state, found, f"use Python {low} to {high}: uv run --python {high} bakeoff doctor")


def bytecode(package: str = "torch") -> Check:
    """Whether jobs find the package compiled: to compile it takes longer than all else that a job starts with."""
    found = importlib.util.find_spec(package)
    if found is None or not found.cached or Path(found.cached).exists():
        return Check("Bytecode", "ok", f"{package} is compiled" if found else f"no {package}")
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return Check("Bytecode", "ok", f"the first import will compile {package}")
    return Check(
        "Bytecode",
        "warning",
        f"PYTHONDONTWRITEBYTECODE is set: each job compiles {package} anew, about two seconds",
        "uv sync --compile-bytecode, or unset it",
    )


def snakemake() -> Check:
    """What runs studies."""
    wanted = ".".join(map(str, SNAKEMAKE))
    remedy = f"install it beside bakeoff: pip install 'snakemake>={wanted}'"
    try:
        found = importlib.metadata.version("snakemake")
    except importlib.metadata.PackageNotFoundError:
        return Check("Snakemake", "problem", "not installed in this environment", remedy)
    state: State = "ok" if tuple(map(int, re.findall(r"\d+", found)[:2])) >= SNAKEMAKE else "problem"
    return Check("Snakemake", state, found, remedy)


def torch(device: str, limit: float = LIMIT) -> Iterator[Check]:
    """torch and torchvision, imported in a process of its own, and the GPU as torch and as the driver see it."""
    found, problem = _asked(_TORCH, limit)
    if found is None:
        remedy = "install both anew, of versions that belong together: uv sync, or pip install torch torchvision"
        yield Check("torch", "problem", problem, remedy)
    else:
        build = f"CUDA {found['cuda']}" if found["cuda"] else "no CUDA"
        versions = f"{found['torch']} ({build}), torchvision {found['torchvision']}, timm {found['timm']}"
        yield Check("torch", "ok", versions)
    yield gpu(device, found, driver())


def gpu(device: str, found: dict[str, Any] | None, seen: tuple[str, list[str]] | None) -> Check:
    """The GPU for a study's `device`, from what torch found and what the driver shows: its version, its GPUs."""
    if found and found["gpus"]:
        names = "; ".join(f"{g['name']}, {size(g['free'])} of {size(g['total'])} free" for g in found["gpus"])
        crowded = min(g["free"] / g["total"] for g in found["gpus"]) < 0.5
        text = f"{names}, driver {seen[0] if seen else '?'}"
        return Check(
            "GPU", "warning" if crowded else "ok", text, "others use its memory (nvidia-smi): times will not do"
        )
    if seen and seen[1]:
        text = f"{', '.join(seen[1])}, driver {seen[0]}, but torch cannot use it"
        remedy = "install a torch for this driver: uv pip install --torch-backend=auto -e ."
        if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
            remedy = f"CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']!r} hides it: unset it"
        return Check("GPU", "problem" if device == "cuda" else "warning", text, remedy)
    remedy = "set device: auto or cpu in the study, or install NVIDIA's driver (nvidia-smi then shows the GPU)"
    return Check(
        "GPU", "problem" if device == "cuda" else "ok", "none that NVIDIA's driver shows; runs use the CPU", remedy
    )


def driver() -> tuple[str, list[str]] | None:
    """Version of NVIDIA's driver and its GPUs, as the driver says; None where there is none."""
    import pynvml

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        names = [str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(i))) for i in range(count)]
        version = str(pynvml.nvmlSystemGetDriverVersion())
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None
    return version, names


def cores(threads: int) -> Check:
    """CPU cores, and what the container or the scheduler leaves of them."""
    usable, all_ = machine.cpu_cores(), os.cpu_count() or 1
    found = counted(usable, "core") + (
        f" of {all_}: a container's limit or a scheduler's mask" if usable < all_ else ""
    )
    return Check(
        "CPU", "ok" if threads <= usable else "warning", found, f"threads: {threads} of the study is more; lower it"
    )


def memory() -> Check:
    """Memory, within a container's limit."""
    found = machine.memory()
    if found is None:
        return Check("Memory", "ok", "not told by this system")
    total, free = found
    remedy = "close other programs, or give snakemake fewer --cores: each run needs about 1 GB"
    return Check("Memory", "ok" if free > LITTLE_MEMORY else "warning", f"{size(free)} of {size(total)} free", remedy)


def disk(needed: int = 0) -> Check:
    """Room where results are written, for at least so many bytes."""
    free = shutil.disk_usage(Path()).free
    found = f"{size(free)} free" + (f", the study needs about {size(needed)}" if needed else "")
    state: State = "problem" if free < needed else "warning" if free < needed + LITTLE_DISK else "ok"
    return Check("Disk", state, found, "make room, or run in a folder on a larger disk (snakemake --directory)")


def writable(folders: list[Path]) -> Iterator[Check]:
    """Whether files can be written into these folders, or these be made."""
    for folder in folders:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            remedy = f"give yourself the right to write there (ls -ld {there}), or run elsewhere"
            yield Check(f"Writing {folder}", "problem", error.strerror or str(error), remedy)
        else:
            yield Check(f"Writing {folder}", "ok", "yes" if there == folder else "yes, it will be made")


def encoding() -> Check:
    """The terminal's and the files' characters."""
    found = {(sys.stdout.encoding or "?").lower(), locale.getpreferredencoding(False).lower()}
    state: State = "ok" if found == {"utf-8"} else "warning"
    return Check("Characters", state, ", ".join(sorted(found)), "stars and labels need UTF-8: export LANG=C.UTF-8")


def fonts(labels: str, limit: float = LIMIT) -> Check:
    """Which of the fonts that figures take has Japanese letters, where the study's labels have such."""
    found, problem = _asked(_FONTS, limit)
    remedy = "uv sync (matplotlib-fontja brings one), or apt install fonts-noto-cjk and rm -r ~/.cache/matplotlib"
    if found is None:
        return Check("Fonts", "warning", problem, remedy)
    if found:
        return Check("Fonts", "ok", f"for Japanese: {', '.join(found[:3])}")
    needed = bool(_ASIAN.search(labels))
    text = "none for Japanese" + ("" if needed else "; the labels here need none")
    return Check("Fonts", "warning" if needed else "ok", text, remedy)


def environments() -> Check:
    """Programs that Snakemake can make environments with. None is needed."""
    there = [name for name in ("conda", "mamba", "apptainer", "singularity") if shutil.which(name)]
    return Check("Environments", "ok", f"{', '.join(there) or 'no conda, no apptainer'} (only --sdm needs them)")


def lock(folder: Path = LOCKS) -> Check:
    """Snakemake's lock on this folder."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return Check("Lock", "ok", "none")
    remedy = "if no snakemake runs here (one that was killed leaves it): snakemake --unlock"
    return Check("Lock", "warning", f"Snakemake's lock stands in {folder}", remedy)


def data(grid: Grid) -> Iterator[Check]:
    """The data sets of a study."""
    root = Path(grid.study.data_root)
    for entry in grid.study.datasets:
        if grid.prepared(entry.name):
            yield Check(f"Data {entry.name}", "ok", "prepared")
            continue
        try:
            info = entry.info(root)
        except UserError as error:
            yield Check(f"Data {entry.name}", "problem", str(error), "see docs/datasets.md")
        else:
            found = f"not prepared yet; {info.predicts}, from {info.origin or entry.source}"
            yield Check(f"Data {entry.name}", "ok", found)


def _asked(code: str, limit: float) -> tuple[Any, str]:
    """What a fresh Python prints as JSON; None and why, where it does not."""
    try:
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {limit:.0f} s"
    try:
        return json.loads(run.stdout.splitlines()[-1]), ""
    except (ValueError, IndexError):
        last = (run.stderr.strip().splitlines() or [f"ended with status {run.returncode}"])[-1]
        return None, last
