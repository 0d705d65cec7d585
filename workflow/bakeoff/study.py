"""The study file: read, checked, every problem of it named at once. Imports no torch."""

from __future__ import annotations

import difflib
import importlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bakeoff import plugins, studyfile
from bakeoff.compare.spec import CompareSettings, Comparison
from bakeoff.data.source import Info
from bakeoff.data.spec import DataSettings
from bakeoff.errors import UserError
from bakeoff.evaluate.spec import EvaluateSettings
from bakeoff.layout import RESERVED
from bakeoff.models import registry
from bakeoff.profile.spec import ProfileSettings
from bakeoff.report.spec import ReportSettings
from bakeoff.stages import POLICIES, SOURCES
from bakeoff.studyfile import Document, KeyPath
from bakeoff.train.spec import Recipe

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$")]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]


def _one_of(kind: str, value: str, choices: Iterable[str]) -> str:
    """The value, when it is among the choices; else an error that names the nearest ones."""
    known = list(choices)
    if value in known:
        return value
    near = difflib.get_close_matches(value, known, n=3, cutoff=0.6)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"there are {', '.join(known[:12])}{', ...' * (len(known) > 12)}"
    )
    raise PydanticCustomError("unknown", "no such {kind}; {hint}", {"kind": kind, "hint": hint})


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetEntry(DataSettings):
    """A data set of the grid: the name of a source, or a name of one's own with `source` and settings."""

    name: Name
    source: str = Field(default_factory=lambda data: data["name"])

    @field_validator("source")
    @classmethod
    def _known(cls, source: str) -> str:
        return _one_of("data set", source, plugins.names(SOURCES))

    @property
    def info(self) -> Info:
        """Facts about the source."""
        info: Info = importlib.import_module(plugins.module(SOURCES, self.source)).INFO
        return info

    @property
    def size(self) -> int:
        """Side of the prepared images in pixels."""
        return self.image_size or self.info.size


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
        return {name: given.get(name, option.default) for name, option in self._known_options().items()}

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        known = self._known_options()
        for key, value in (self.__pydantic_extra__ or {}).items():
            if key not in known:
                hint = f"its options are {', '.join(known)}" if known else "it has no options"
                raise PydanticCustomError("option", "{key}: no such option; {hint}", {"key": key, "hint": hint})
            problem = known[key].problem(value)
            if problem:
                raise PydanticCustomError(
                    "option", "{key}: {value} {problem}", {"key": key, "value": repr(value), "problem": problem}
                )
        return self


class ModelEntry(_PluginEntry):
    """A model of the grid: a builder such as `lenet5` or `timm/resnet18`, under its own name or another."""

    builder: str = Field(default_factory=lambda data: data["name"])

    @field_validator("builder")
    @classmethod
    def _known(cls, builder: str) -> str:
        return builder if registry.is_known(builder) else _one_of("model", builder, registry.names())

    def _known_options(self) -> dict[str, plugins.Option]:
        return registry.options_of(self.builder)


class AugmentationEntry(_PluginEntry):
    """An augmentation of the grid: a policy under its own name or, with options, another."""

    policy: str = Field(default_factory=lambda data: data["name"])

    @field_validator("policy")
    @classmethod
    def _known(cls, policy: str) -> str:
        return _one_of("augmentation", policy, plugins.names(POLICIES))

    def _known_options(self) -> dict[str, plugins.Option]:
        return plugins.options(POLICIES, self.policy)


class Exclusion(_Settings):
    """Cells or runs to leave out: those that match every key given. Each key takes one name or several."""

    dataset: str | list[str] | None = None
    model: str | list[str] | None = None
    augmentation: str | list[str] | None = None
    recipe: str | list[str] | None = None
    seed: Seed | list[Seed] | None = None

    def wanted(self) -> dict[str, list[Any]]:
        """The keys given, each with the values that it matches."""
        given = {axis: getattr(self, axis) for axis in type(self).model_fields}
        return {
            axis: value if isinstance(value, list) else [value] for axis, value in given.items() if value is not None
        }

    def matches(self, place: Mapping[str, Any]) -> bool:
        """Whether the run at this place of the grid is to be left out."""
        return all(place[axis] in values for axis, values in self.wanted().items())

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
        return {"name": value.replace("/", "-"), key: value} if isinstance(value, str) else value

    return BeforeValidator(expand)


def _or_word(entry: type[BaseModel]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "string"}, entry.model_json_schema()]})


Several = Field(min_length=1)


class Study(_Settings):
    """One study: the grid of runs, how they are made, and the question asked of them."""

    study: Name
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of one run. Several runs of one thread beside each other are faster than one run of several."""
    data_root: Annotated[str, StringConstraints(min_length=1)] = "data"
    """Folder in which data sets are looked for, and into which they are downloaded."""
    datasets: Annotated[list[Annotated[DatasetEntry, _named("source"), _or_word(DatasetEntry)]], Several]
    models: Annotated[list[Annotated[ModelEntry, _named("builder"), _or_word(ModelEntry)]], Several]
    augmentations: Annotated[
        list[Annotated[AugmentationEntry, _named("policy"), _or_word(AugmentationEntry)]], Several
    ] = [AugmentationEntry(name="none")]
    recipes: Annotated[dict[Name, Recipe], Several] = {"default": Recipe()}
    seeds: Annotated[list[Seed], Several] = [0, 1, 2, 3, 4]
    exclude: list[Exclusion] = []
    comparisons: list[Comparison] = []
    """The questions. Default: all models against the first."""
    evaluate: EvaluateSettings = EvaluateSettings()
    compare: CompareSettings = CompareSettings()
    profile: ProfileSettings = ProfileSettings()
    report: ReportSettings = ReportSettings()

    def questions(self) -> list[Comparison]:
        """The comparisons, or the one that is meant when none is given."""
        return self.comparisons or [Comparison(factor="model", baseline=self.models[0].name)]


def load(path: Path) -> Study:
    """Read and check a study file. Raises UserError with every problem of it, one a line."""
    return check(studyfile.read(path))


def load_workflow(configfiles: Iterable[Path], overrides: Mapping[str, Any], default: Path) -> Study:
    """The study that a call of snakemake means: its --configfile (several are merged, the later ones win) or else the
    default study; then its --config.
    """
    documents = [studyfile.read(path) for path in configfiles] or [studyfile.read(default)]
    data: dict[str, Any] = {}
    lines: dict[KeyPath, int] = {}
    for document in documents:
        _merge(data, document.data)
        lines |= document.lines
    _merge(data, overrides)
    return check(Document(documents[-1].source, data, lines if len(documents) == 1 else {}))


def _merge(data: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(data.get(key), dict):
            _merge(data[key], value)
        else:
            data[key] = dict(value) if isinstance(value, Mapping) else value


def check(document: Document) -> Study:
    """Check the data of a study file against the model above, and its parts against each other."""
    data = document.data
    problems = list(_unknown_keys(data))
    parts: dict[str, Any] = {}
    for key, field in Study.model_fields.items():
        if key not in data:
            if field.is_required():
                problems.append(((key,), "is missing; a study needs it"))
            else:
                parts[key] = field.get_default(call_default_factory=True)
            continue
        try:
            parts[key] = _adapter(key).validate_python(data[key])
        except ValidationError as error:
            problems += [((key, *place), text) for place, text in _explain(error)]
    problems += _cross_problems(parts)
    if problems:
        raise UserError("\n".join(f"{document.where(path)}: {_dotted(path)}: {text}" for path, text in problems))
    return Study.model_validate(data)


Problem = tuple[KeyPath, str]


def _adapter(key: str) -> TypeAdapter[Any]:
    field: Any = Study.model_fields[key]
    return TypeAdapter(Annotated[field.annotation, field])


def _unknown_keys(data: Mapping[str, Any]) -> Iterator[Problem]:
    for key in data:
        if key not in Study.model_fields:
            near = difflib.get_close_matches(key, Study.model_fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(Study.model_fields)}"
            yield (key,), f"no such key; {hint}"


def _dotted(path: KeyPath) -> str:
    """A key path as one writes it: models[2].builder."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


_TYPES = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "list_type": "must be a list, as in [a, b]",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "missing": "is missing",
}


def _explain(error: ValidationError) -> Iterator[Problem]:
    """Pydantic's errors in the words of the study file: key path, value, and what would be right."""
    for item in error.errors(include_url=False):
        # The steps of a union or a validator are pydantic's, not the file's.
        path = tuple(
            step for step in item["loc"] if not (isinstance(step, str) and ("[" in step or step in _UNION_STEPS))
        )
        kind, value, context = item["type"], item["input"], item.get("ctx", {})
        if kind == "extra_forbidden":
            yield path, "no such key here"
            continue
        if kind == "string_pattern_mismatch":
            text = "is no name: use a-z, 0-9, _ . - only, beginning with a letter or digit (names become folders)"
        elif kind == "too_short":
            text = "is empty; give at least one"
        elif kind in _TYPES:
            text = _TYPES[kind]
        elif kind == "value_error":
            text = str(context.get("error", item["msg"]))
        else:
            text = item["msg"][0].lower() + item["msg"][1:]
        yield (
            path,
            text if kind == "missing" or isinstance(value, dict | list) else f"{_short(value)} {_sentence(text)}",
        )


_UNION_STEPS = frozenset({"str", "int", "literal", "float", "none"})


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _sentence(text: str) -> str:
    """Pydantic writes "input should be ..."; after the value that reads better as "should be ..."."""
    text = text.removeprefix("input ")
    return f"is {text}" if text.startswith("no such") else text


def _cross_problems(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What only shows when the parts of a study are held against each other; parts with errors are not in `parts`."""
    axes: dict[str, list[Any]] = {}
    for key, axis in (("datasets", "dataset"), ("models", "model"), ("augmentations", "augmentation")):
        if key in parts:
            axes[axis] = [entry.name for entry in parts[key]]
            yield from _twice(key, axes[axis])
    if "recipes" in parts:
        axes["recipe"] = list(parts["recipes"])
    if "seeds" in parts:
        axes["seed"] = parts["seeds"]
        yield from _twice("seeds", parts["seeds"])
    if parts.get("study") in RESERVED:
        yield ("study",), f"{parts['study']!r} is a folder of results that all studies share; choose another name"
    yield from _comparison_problems(parts, axes)
    if len(axes) == 5 and "exclude" in parts:
        yield from _exclusion_problems(parts["exclude"], axes)
    if "labels" in (parts["report"].model_dump() if "report" in parts else {}) and len(axes) == 5:
        known = [name for axis in ("dataset", "model", "augmentation", "recipe") for name in axes[axis]]
        for name in parts["report"].labels:
            yield from _unless_known(("report", "labels", name), "name", name, known)
    if "evaluate" in parts and "compare" in parts and parts["compare"].metric not in parts["evaluate"].metrics:
        have = ", ".join(parts["evaluate"].metrics)
        yield ("compare", "metric"), f"{parts['compare'].metric!r} is not among the metrics evaluated: {have}"


def _twice(key: str, values: list[Any]) -> Iterator[Problem]:
    for value, count in Counter(values).items():
        if count > 1:
            place = [i for i, other in enumerate(values) if other == value][1]
            yield (key, place), f"{value!r} stands {count} times; keep one (repetitions are told apart by their seed)"


def _unless_known(path: KeyPath, kind: str, value: str, known: list[str]) -> Iterator[Problem]:
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the study has {', '.join(known)}"
        yield path, f"{value!r} is no {kind} of this study; {hint}"


def _comparison_problems(parts: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> Iterator[Problem]:
    comparisons = parts.get("comparisons", [])
    yield from _twice("comparisons", [comparison.name for comparison in comparisons])
    for i, comparison in enumerate(comparisons):
        if comparison.factor in axes:
            path: KeyPath = ("comparisons", i, "baseline")
            yield from _unless_known(path, comparison.factor, comparison.baseline, axes[comparison.factor])


def _exclusion_problems(exclusions: list[Exclusion], axes: Mapping[str, list[Any]]) -> Iterator[Problem]:
    for i, exclusion in enumerate(exclusions):
        for axis, values in exclusion.wanted().items():
            for value in values:
                if value not in axes[axis]:
                    have = ", ".join(map(str, axes[axis]))
                    yield ("exclude", i, axis), f"{value!r} is no {axis} of this study, which has {have}"
    if next(places(axes, exclusions), None) is None:
        yield ("exclude",), "leaves no run at all; exclude less"


def places(axes: Mapping[str, list[Any]], exclusions: Iterable[Exclusion]) -> Iterator[dict[str, Any]]:
    """The runs of the grid: the product of dataset, model, augmentation, recipe and seed, less what is excluded."""
    exclusions = list(exclusions)
    for dataset in axes["dataset"]:
        for model in axes["model"]:
            for augmentation in axes["augmentation"]:
                for recipe in axes["recipe"]:
                    for seed in axes["seed"]:
                        place = {
                            "dataset": dataset,
                            "model": model,
                            "augmentation": augmentation,
                            "recipe": recipe,
                            "seed": seed,
                        }
                        if not any(exclusion.matches(place) for exclusion in exclusions):
                            yield place


def json_schema() -> dict[str, Any]:
    """The JSON schema of study files, for editors; `workflow/study.schema.json` holds it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}
