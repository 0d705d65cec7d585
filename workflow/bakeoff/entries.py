"""What stands in the lists of a study: data sets, models, augmentations, and what to leave out. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bakeoff import plugins
from bakeoff.audit.spec import AuditMode
from bakeoff.combine.spec import Ensemble
from bakeoff.data import registry as sources
from bakeoff.data.source import Info
from bakeoff.data.spec import DataSettings
from bakeoff.errors import UserError
from bakeoff.models import onnx_file, registry
from bakeoff.problems import NAME, nearest, no_device, one_of
from bakeoff.stages import POLICIES
from bakeoff.train import augment
from bakeoff.train.policies._pipeline import problem as albumentations_problem

Name = Annotated[str, StringConstraints(pattern=NAME), AfterValidator(no_device)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Several = Field(min_length=1)


class Settings(BaseModel):
    """What a study says of one thing: no other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _PluginEntry(BaseModel):
    """A name, and the plug-in behind it; further keys are the plug-in's options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Name

    def _known_options(self) -> dict[str, plugins.Option]:
        raise TypeError("a plug-in entry knows its options")

    @property
    def options(self) -> dict[str, Any]:
        """All options of the plug-in: those given, and the defaults of the others."""
        given = self.__pydantic_extra__ or {}
        known = self._known_options()
        return {name: option.read(given.get(name, option.default)) for name, option in known.items()}

    def _no_such(self, key: str, known: Mapping[str, plugins.Option]) -> str:
        return f"no such option; {nearest(key, known, 'its options are') if known else 'it has no options'}"

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        known = self._known_options()
        problems = {}
        for key, value in (self.__pydantic_extra__ or {}).items():
            if key not in known:
                problems[key] = self._no_such(key, known)
            elif problem := known[key].problem(value):
                problems[key] = f"{value!r} {problem}"
        if problems:
            key, text = problems.popitem()
            others = "".join(f"{other}: {problem}; " for other, problem in problems.items())
            raise PydanticCustomError("option", "{text}", {"key": key, "text": text + others})
        return self


class DatasetEntry(DataSettings, _PluginEntry):
    """A data set of the grid: the name of a source, or a name of one's own with `source`, settings and its options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    source: str = Field(default_factory=lambda data: data["name"], validate_default=True)
    audit: AuditMode = "warn"
    """What becomes of what the audit finds: strict refuses a data set with test images that are also training images,
    images of two classes, of one colour, or that cannot be read; off does not look for near duplicates."""

    @field_validator("source")
    @classmethod
    def _known(cls, source: str) -> str:
        return one_of("data set", source, sources.names(), "datasets")

    def _known_options(self) -> dict[str, plugins.Option]:
        return sources.options_of(self.source)

    def _no_such(self, key: str, known: Mapping[str, plugins.Option]) -> str:
        keys = [*DataSettings.model_fields, "audit", *known]
        return f"no such key; {nearest(key, keys, 'the keys here are')}"

    def info(self, data_root: Path) -> Info:
        """Facts about the source. Raises UserError when its files, or what they are, cannot be told."""
        return sources.info(self.source, self.options, data_root)


class ModelEntry(_PluginEntry):
    """A model of the grid: a builder such as `lenet5` or `timm/resnet18`, under its own name or another."""

    builder: str = Field(default_factory=lambda data: data["name"], validate_default=True)

    @field_validator("builder")
    @classmethod
    def _known(cls, builder: str) -> str:
        try:
            known = registry.is_known(builder)
        except UserError as error:  # about a file of one's own
            raise PydanticCustomError("builder", "{text}", {"text": str(error)}) from None
        return builder if known else one_of("model", builder, registry.names(), "models")

    def _known_options(self) -> dict[str, plugins.Option]:
        return registry.options_of(self.builder)

    @model_validator(mode="after")
    def _figures_are_numbers(self) -> Self:
        if onnx_file.is_file(self.builder) and (problem := onnx_file.problem(self.options)):
            raise PydanticCustomError("option", "{text}", dict(zip(("key", "text"), problem, strict=True)))
        return self


class AugmentationEntry(_PluginEntry):
    """An augmentation of the grid: a policy under its own name or, with options, another."""

    policy: str = Field(default_factory=lambda data: data["name"], validate_default=True)

    @field_validator("policy")
    @classmethod
    def _known(cls, policy: str) -> str:
        return one_of("augmentation", policy, augment.names(), "augmentations")

    def _known_options(self) -> dict[str, plugins.Option]:
        return plugins.options(POLICIES, self.policy)

    @model_validator(mode="after")
    def _pipeline_can_be_read(self) -> Self:
        if self.policy == "albumentations" and (problem := albumentations_problem(self.options["pipeline"])):
            raise PydanticCustomError("option", "{text}", {"key": "pipeline", "text": problem})
        return self


class EnsembleEntry(Ensemble):
    """An ensemble of the study, under a name as all others are."""

    name: Name


def _one_or_several(item: Mapping[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


_Alone = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
Names = Annotated[list[str], Several, _Alone, _one_or_several({"type": "string"})]
Seeds = Annotated[
    list[Seed], Several, _Alone, _one_or_several({"type": "integer", "minimum": 0, "exclusiveMaximum": 2**31})
]


class Exclusion(Settings):
    """Cells or runs to leave out: those that match every key given. Each key takes one name or several."""

    dataset: Names | None = None
    model: Names | None = None
    augmentation: Names | None = None
    recipe: Names | None = None
    seed: Seeds | None = None

    def wanted(self) -> dict[str, list[Any]]:
        """The keys given, each with the values that it matches."""
        given = {axis: getattr(self, axis) for axis in type(self).model_fields}
        return {axis: values for axis, values in given.items() if values is not None}

    def matches(self, place: Mapping[str, Any]) -> bool:
        """Whether the run at this place of the grid is to be left out."""
        return all(place[axis] in values for axis, values in self.wanted().items())

    def takes(self, recipe: str, model: str) -> bool:
        """Whether every run of this recipe and this model is to be left out."""
        wanted = self.wanted()
        return (
            wanted.keys() <= {"recipe", "model"}
            and recipe in wanted.get("recipe", [recipe])
            and model in wanted.get("model", [model])
        )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.wanted():
            raise PydanticCustomError(
                "empty", "names nothing; give at least one of dataset, model, augmentation, recipe, seed"
            )
        return self


def _named(key: str) -> BeforeValidator:
    """A bare word stands for an entry of that plug-in; the slash of `timm/resnet18` cannot be in a name."""

    def expand(value: object) -> object:
        return {"name": registry.default_name(value), key: value} if isinstance(value, str) else value

    return BeforeValidator(expand)


def _place_in_source(value: object) -> object:
    """The source `folder:PATH` or `csv:PATH` stands for the images there; by default under the name of the folder."""
    given = {"source": value} if isinstance(value, str) else value
    if not isinstance(given, dict) or not isinstance(given.get("source"), str):
        return value
    kind, colon, path = given["source"].partition(":")
    if not colon or sources.PLACE in given or kind not in sources.names() or not sources.reads_files(kind):
        return value
    name = re.sub(r"[^a-z0-9_.-]+", "-", Path(path).stem.lower()).strip("-_.")
    return {"name": name or kind, **given, "source": kind, sources.PLACE: path}


def _or_word(entry: type[BaseModel]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "string"}, entry.model_json_schema()]})


Dataset = Annotated[DatasetEntry, _named("source"), BeforeValidator(_place_in_source), _or_word(DatasetEntry)]
Model = Annotated[ModelEntry, _named("builder"), _or_word(ModelEntry)]
Augmentation = Annotated[AugmentationEntry, _named("policy"), _or_word(AugmentationEntry)]
