"""The recipe: the settings of training, equal for all models that a study compares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from bakeoff.train.presets import PRESETS

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


def _ascending(values: list[float]) -> list[float]:
    if values[0] > values[1]:
        raise PydanticCustomError("range", "the lower end comes first: {text}", {"text": str(values[::-1])})
    return values


Range = Annotated[list[Positive], Field(min_length=2, max_length=2), AfterValidator(_ascending)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Last(_Settings):
    """The head and so many blocks before it."""

    last: Count


class Phase(_Settings):
    """A part of training at an image size of its own (progressive resizing)."""

    size: Annotated[int, Field(ge=4, le=1024)]
    epochs: Count
    lr: Positive | None = None
    """Peak learning rate of this phase; default: the recipe's. Each phase runs through the whole schedule."""


class Tuning(_Settings):
    """A search over learning rate and weight decay, the same number of trials for every model.

    Values are drawn log-uniformly between `low` and `high`; the first trial is the recipe as it stands. The trial with
    the best validation accuracy (of a regression: loss) is taken for all seeds. Test images are not looked at.
    """

    trials: Annotated[int, Field(ge=2, le=1000)]
    lr: Range | None = None
    """Range; default: a tenth of the recipe's to ten times it."""
    weight_decay: Range | None = None
    """Range; default: a tenth of the recipe's to ten times it; not searched where the recipe has none."""
    epochs: Count | None = None
    """Epochs of a trial; default: the recipe's."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


def _preset(name: object) -> dict[str, Any]:
    if not isinstance(name, str) or name not in PRESETS:
        raise _at("preset", f"{name!r} is no such preset; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def _epochs_of(phases: Any) -> int | None:
    """Epochs of all phases as given, None where there are none or they are not well formed."""
    if not isinstance(phases, list):
        return None
    given = [phase.get("epochs") if isinstance(phase, dict) else getattr(phase, "epochs", None) for phase in phases]
    counts = [epochs for epochs in given if type(epochs) is int and epochs > 0]
    return sum(counts) if counts and len(counts) == len(given) else None


def _at(key: str, text: str) -> PydanticCustomError:
    """What is wrong with a key, found when several are held against each other."""
    return PydanticCustomError("recipe", "{text}", {"key": key, "text": text})


def _with_preset(schema: dict[str, Any]) -> None:
    """`preset` is no setting but stands for some: editors want to know it all the same."""
    schema["properties"]["preset"] = {"enum": list(PRESETS), "description": "Settings by name; keys beside it win."}


class Recipe(_Settings):
    """How a network is trained."""

    model_config = ConfigDict(json_schema_extra=_with_preset)

    # --- what is trained, from what
    weights: Text = "random"
    """Initial weights: random, pretrained (those that the library publishes), or a .safetensors or .pth file."""
    trained: Literal["all", "head"] | Last = "all"
    """Which layers learn: all, the head (classifier) alone, or `last: n` blocks and the head. Others stay frozen."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor on the learning rate from each layer to the one before it (BEiT, Bao et al. 2022)."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Stochastic depth (Huang et al. 2016), for nets that have it."""
    train_images: Annotated[int, Field(ge=2)] | Literal["all"] = "all"
    """A stratified choice of so many training images (batch norm needs two); smaller choices are among larger ones."""

    # --- steps
    epochs: Count = 20
    batch_size: Annotated[int, Field(ge=2)] = 64
    accumulate: Count = 1
    """Batches whose gradients make one step of the optimizer."""
    phases: list[Phase] = []
    """Progressive resizing: phases one after the other, instead of `epochs` at the size of the data set."""
    optimizer: Literal["sgd", "adam", "adamw", "lamb"] = "adamw"
    lr: Positive = 1e-3
    """Peak learning rate, reached at the end of the warm-up."""
    weight_decay: NotNegative = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Of SGD (Nesterov); the others do not use it."""
    clip_grad_norm: Positive | None = None
    loss: Annotated[Literal["mse", "l1", "huber"], Field(exclude_if=lambda loss: loss == "mse")] = "mse"
    """Of a regression, whose targets are in standard deviations; classes have cross-entropy. Left out of specs where it
    is mse.
    """

    # --- learning rate over time
    schedule: Literal["cosine", "constant", "step", "multistep", "restarts", "plateau", "onecycle"] = "cosine"
    warmup_epochs: NotNegative = 1.0
    """Linear warm-up, before any schedule but onecycle, which has its own."""
    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Factor of step, multistep and plateau."""
    step_epochs: Count = 30
    """step: epochs between two drops."""
    milestones: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1), AfterValidator(sorted)] = [
        0.5,
        0.75,
    ]
    """multistep: where the rate drops, as fractions of training."""
    restart_epochs: Count = 10
    """restarts: epochs from one restart of the cosine to the next (SGDR, Loshchilov and Hutter 2017)."""
    patience: Count = 5
    """plateau: epochs without a lower validation loss before a drop."""

    # --- regularisation
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of an exponential moving average of the weights, which is then what is validated, tested and kept."""
    early_stopping: Count | None = None
    """Stop after so many epochs without a higher validation accuracy (of a regression: a lower validation loss)."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: the loss of a class weighs the more the fewer training images it has (n / (classes x n_class))."""
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    """balanced: an epoch of as many images, each class drawn as often as any other, with repetition."""

    # --- arithmetic
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    """tf32 is for GPUs; bf16 keeps weights and loss in fp32 and computes layers in bfloat16."""
    channels_last: bool = True
    """Memory order of images and convolutions; one for all models, as it changes speed (1.4 times for small CNNs)."""
    deterministic: bool = True
    """On CUDA: algorithms that repeat themselves bit for bit. On a CPU they do anyway."""
    acceleration: Literal["auto", "eager", "graph", "compile"] = "auto"
    """How a step is run on CUDA: auto measures which pays for itself. On a CPU always eager."""
    gpus: Annotated[int, Field(ge=1, le=64, exclude_if=lambda gpus: gpus == 1)] = 1
    """GPUs that share each batch of a run, one process each; on a CPU so many processes. The same steps but for
    rounding and masks of dropout. Left out of specs where it is 1.
    """

    tuning: Tuning | None = None

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, given: Any) -> Any:
        """`preset: name` stands for its settings, keys beside it win; `epochs` is the sum of the phases' epochs.

        So settings that mean the same are the same, and mean the same when a run reads them.
        """
        if not isinstance(given, dict):
            return given
        settings = {**_preset(given["preset"]), **given} if "preset" in given else dict(given)
        settings.pop("preset", None)
        if "epochs" not in given and (epochs := _epochs_of(given.get("phases"))):
            settings["epochs"] = epochs
        return settings

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.phases and self.epochs != (epochs := sum(phase.epochs for phase in self.phases)):
            raise _at("epochs", f"{self.epochs} and the phases' {epochs} epochs differ; give the phases alone")
        if self.gpus > 1:
            self._can_be_shared()
        return self

    def _can_be_shared(self) -> None:
        """Raises what is wrong with settings whose steps several processes cannot take as one would."""
        if self.batch_size % self.gpus:
            raise _at("batch_size", f"{self.batch_size} images are not to be dealt out evenly to gpus: {self.gpus}")
        if self.acceleration in ("graph", "compile"):
            raise _at("acceleration", f"{self.acceleration} is of one process; leave it out, or gpus: {self.gpus}")
        if self.class_weights != "none":
            raise _at("class_weights", f"are divided by their sum in a whole batch; leave out gpus: {self.gpus}")
        if self.tuning is not None:
            raise _at("tuning", f"its trials run in one process; leave out gpus: {self.gpus}, or set what it found")

    def slips(self) -> Iterator[tuple[str, str]]:
        """Keys whose values training can work with, but that nobody means, each with what is wrong with it."""
        epochs = [phase.epochs for phase in self.phases] or [self.epochs]
        shortest = min(epochs)
        of = f"the {shortest} epochs of {'the shortest phase' if self.phases else 'training'}"
        if self.schedule != "onecycle" and self.warmup_epochs > shortest:
            yield "warmup_epochs", f"{self.warmup_epochs:g} is more than {of}; set it lower"
        period = {"step": "step_epochs", "restarts": "restart_epochs"}.get(self.schedule)
        if period and getattr(self, period) >= shortest:
            yield period, f"{getattr(self, period)} is not less than {of}, so nothing would come of it; set it lower"
        if self.schedule == "restarts":
            if self.restart_epochs <= self.warmup_epochs:
                yield "restart_epochs", f"{self.restart_epochs} is not more than warmup_epochs; set it higher"
            if odd := [n for n in epochs if n % self.restart_epochs]:
                yield (
                    "restart_epochs",
                    f"{self.restart_epochs} does not divide {odd[0]} epochs: the rate would end high",
                )
        if self.tuning and self.tuning.epochs and self.tuning.epochs < self.warmup_epochs:
            yield "tuning", f"its epochs: {self.tuning.epochs} are less than warmup_epochs; set them higher"

    @property
    def total_epochs(self) -> int:
        """Epochs of all phases."""
        return sum(phase.epochs for phase in self.phases) if self.phases else self.epochs


class TrainSettings(_Settings):
    """How runs are executed. Only `seeds_together` touches results, in their last digits."""

    seeds_together: Count = 1
    """Seeds of a cell that share each step on a GPU, as stacked weights; on a CPU they follow each other."""
    gpu_share: Count = 1
    """Runs that may be on one GPU at a time, for small ones that leave it idle; --resources gpu= then counts shares."""
    resident_gb: Positive | None = None
    """Data sets up to so many GB lie on the device as bytes; default: a quarter of its memory. Larger ones stream."""
    keep: Literal["best", "none", "all"] = "best"
    """Weights that stay on disk: those of each run's best epoch, none once its probes are done, or those after each."""
    checkpoint_seconds: Annotated[float, Field(ge=1, le=86400)] = 60
    """Seconds of training that a killed process may lose: so often its state is written."""
    workers: Annotated[int, Field(ge=0, le=256)] | None = None
    """Processes a run that read, and augment image by image; default: 4 for data that streams to a GPU, else none."""
