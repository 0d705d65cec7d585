"""The study file: read, checked, every problem of it named at once. Imports no torch."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from bakeoff import requirements, scale, store, studyfile, tasks
from bakeoff.compare.spec import CompareSettings, Comparison, Expression, Reference, Requirements
from bakeoff.data.source import Info
from bakeoff.entries import (
    Augmentation,
    AugmentationEntry,
    Dataset,
    DatasetEntry,
    EnsembleEntry,
    Exclusion,
    Model,
    Name,
    Seed,
    Several,
)
from bakeoff.errors import UserError
from bakeoff.evaluate.spec import KNOWN, EvaluateSettings
from bakeoff.external.spec import External
from bakeoff.external.spec import problem as problem_of_file
from bakeoff.layout import RESERVED
from bakeoff.models import initial, packaged, registry
from bakeoff.probe.spec import SHAP_SIZE, ProbeSettings
from bakeoff.problems import ONE_LINE, Problem, explain, nearest, report
from bakeoff.profile.spec import ProfileSettings
from bakeoff.report.columns import KINDS
from bakeoff.report.spec import ReportSettings
from bakeoff.studyfile import Document, KeyPath
from bakeoff.train.spec import Recipe, TrainSettings

TTA = ".tta"
"""What stands behind a model's name in rows of its test-time augmentation."""


class Study(BaseModel):
    """One study: the grid of runs, how they are made, and the question asked of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: Name
    title: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=ONE_LINE)] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of one run. Several runs of one thread beside each other are faster than one run of several."""
    data_root: Annotated[str, StringConstraints(min_length=1, pattern=ONE_LINE)] = "data"
    """Folder in which data sets are looked for, and into which they are downloaded."""
    datasets: Annotated[list[Dataset], Several]
    models: Annotated[list[Model], Several]
    augmentations: Annotated[list[Augmentation], Several] = [AugmentationEntry(name="none")]
    recipes: Annotated[dict[Name, Recipe], Several] = {"default": Recipe()}
    seeds: Annotated[list[Seed], Several] = [0, 1, 2, 3, 4]
    exclude: list[Exclusion] = []
    comparisons: list[Comparison] = []
    """The questions. Default: all models against the first."""
    results_store: Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=ONE_LINE)] | None = None
    """A folder or an address of fsspec's, from which runs are fetched instead of trained; no result depends on it."""
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    probe: ProbeSettings = ProbeSettings()
    ensembles: list[EnsembleEntry] = []
    """Runs asked together; each is a row of the tables of models."""
    external: dict[Name, External] = {}
    """Models whose predictions were made elsewhere, by the names of their rows in the tables of models."""
    compare: CompareSettings = CompareSettings()
    reference: list[Reference] = []
    """Values that others published, to be shown beside ours."""
    requirements: list[Expression] | Requirements = []
    """What a model must meet to be used, such as `accuracy >= 0.9`; of those that do, one is recommended."""
    profile: ProfileSettings = ProfileSettings()
    report: ReportSettings = ReportSettings()

    def questions(self) -> list[Comparison]:
        """The comparisons, or the one that is meant when none is given."""
        return self.comparisons or _default_questions(self.models[0].name)


def _default_questions(first_model: str) -> list[Comparison]:
    return [Comparison(factor="model", baseline=first_model)]


def load(path: Path, of: scale.Scale | None = None) -> Study:
    """Read and check a study file, or its small version. Raises UserError with every problem of it, one a line."""
    document = studyfile.read(path)
    if of:
        document.data["scale"] = of
    return check(document)


def load_workflow(configfiles: Iterable[Path], overrides: Mapping[str, Any], default: Path) -> Study:
    """The study that a call of snakemake means: its --configfile (several are merged, the later ones win) or else the
    default study; then its --config.
    """
    documents = [studyfile.read(path) for path in configfiles] or [studyfile.read(default)]
    given = studyfile.from_command_line(overrides)
    documents.append(Document(documents[-1].source, given, dict.fromkeys(studyfile.paths(given), "--config")))
    data: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    for document in documents:
        scale.merge(data, document.data)
        places |= document.places
    if isinstance(data.get("small"), dict):
        over = {key: value for key, value in given.items() if key not in ("study", *scale.KEYS)}
        data["small"] = dict(data["small"])
        scale.merge(data["small"], over)  # the command line wins, in the small version too
        places |= {("small", *path): "--config" for path in studyfile.paths(over)}
    return check(Document(documents[-1].source, data, places))


def check(document: Document) -> Study:
    """Check the data of a study file against the model above, and its parts against each other; where it asks for its
    small version, those of that version.
    """
    whole = document.data
    document, problems = scale.chosen(document, list(Study.model_fields))
    data = document.data
    problems += _unknown_keys(data)
    parts: dict[str, Any] = {}
    infos: dict[str, Info] = {}
    problems += _part_problems(data, ("data_root", "datasets"), parts)
    problems += _source_problems(parts, infos)
    data |= tasks.defaults(data, infos)
    problems += _part_problems(data, [key for key in Study.model_fields if key not in ("data_root", "datasets")], parts)
    problems += tasks.problems(parts, infos)
    problems += _recipe_problems(parts)
    problems += _weights_problems(parts)
    if parts.get("results_store") and (text := store.problem(parts["results_store"])):
        problems.append((("results_store",), text))
    problems += _shap_problems(parts)
    problems += _cross_problems(parts)
    if whole.get("scale") == "small":
        problems += scale.other_grid(axis_names(whole), axis_names(data))
    report(document, problems)
    return Study.model_validate_json(json.dumps(data), strict=True)


def _part_problems(data: Mapping[str, Any], keys: Iterable[str], parts: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with the values of these keys; those in which nothing is wrong go into `parts`, read."""
    for key in keys:
        field = Study.model_fields[key]
        if key not in data:
            if field.is_required():
                yield (key,), "is missing; a study needs it"
            else:
                parts[key] = field.get_default(call_default_factory=True)
            continue
        try:
            # As JSON, in which strict means that true is no number and "3" is text, but a list may be a tuple.
            parts[key] = _adapter(key).validate_json(json.dumps(data[key]), strict=True)
        except ValidationError as error:
            yield from explain(error, key, data[key], partial(_keys_at, field.annotation))


def axis_names(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names on the axes of the grid, by the key of the study file; only of keys that are well formed."""
    names = {}
    for key in ("datasets", *scale.GRID):
        try:
            values = _adapter(key).validate_json(json.dumps(data[key]), strict=True)
        except (KeyError, ValidationError):  # told where it belongs
            continue
        names[key] = list(values) if isinstance(values, dict) else [entry.name for entry in values]
    return names


def _adapter(key: str) -> TypeAdapter[Any]:
    field: Any = Study.model_fields[key]
    return TypeAdapter(Annotated[field.annotation, field])


def _keys_at(annotation: Any, path: KeyPath) -> list[str]:
    """The keys that settings at a path within this annotation have, such as those of a Recipe in dict[Name, Recipe]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not path:  # by the schema, which knows of words that stand for settings
            return list(annotation.model_json_schema().get("properties", {}))
        field = annotation.model_fields.get(str(path[0]))
        return _keys_at(field.annotation, path[1:]) if field else []
    if get_origin(annotation) in (list, dict):
        path = path[1:]
    return list(dict.fromkeys(key for part in get_args(annotation) for key in _keys_at(part, path)))


def _unknown_keys(data: Mapping[str, Any]) -> Iterator[Problem]:
    known = [*Study.model_fields, *scale.KEYS]
    for key in data:
        if key not in known:
            yield (key,), f"no such key; {nearest(key, known, 'the keys are')}"


def _source_problems(parts: Mapping[str, Any], infos: dict[str, Info]) -> Iterator[Problem]:
    """What is wrong with the data sets that only their files, or several options together, tell. The facts of those
    that can be told go into `infos`, by name.
    """
    if "datasets" not in parts or "data_root" not in parts:
        return
    entries: list[DatasetEntry] = parts["datasets"]
    for i, entry in enumerate(entries):
        try:
            info = infos[entry.name] = entry.info(Path(parts["data_root"]))
        except UserError as error:
            yield ("datasets", i), str(error)
            continue
        if (entry.image_size or info.size) is None:
            yield (
                ("datasets", i),
                "needs image_size: its images have no size of their own; write it as a mapping with image_size: 64",
            )


def _shap_problems(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """SHAP where its package is not installed, or for images that are too large for it."""
    if "probe" not in parts or not parts["probe"].explain or "shap" not in parts["probe"].explain_methods:
        return
    path = ("probe", "explain_methods")
    if find_spec("shap") is None:
        yield path, "shap is not installed: pip install 'bakeoff[shap]', in a checkout uv sync --extra shap"
    for entry in parts.get("datasets", []):
        try:
            size = entry.image_size or entry.info(Path(parts["data_root"])).size
        except (UserError, KeyError):  # told where it belongs
            continue
        if size is not None and size > SHAP_SIZE:
            yield path, f"shap is for images of up to {SHAP_SIZE} pixels, and {entry.name} has {size}; leave it out"


def _recipe_problems(parts: Mapping[str, Any]) -> Iterator[Problem]:
    for name, recipe in parts.get("recipes", {}).items():
        yield from ((("recipes", name, key), text) for key, text in recipe.slips())


def _weights_problems(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """Initial weights that are not there: files, and published weights of models that have none."""
    for name, recipe in parts.get("recipes", {}).items():
        if problem := packaged.problem(recipe.weights) or initial.problem(packaged.located(recipe.weights)):
            yield ("recipes", name, "weights"), problem
    if not parts.keys() >= {"models", "recipes", "exclude"}:
        return
    for recipe, model in itertools.product(parts["recipes"], parts["models"]):
        none = not registry.publishes_weights(model.builder) and not registry.is_control(model.builder)
        if parts["recipes"][recipe].weights != initial.PRETRAINED or not none:
            continue
        if not any(e.takes(recipe, model.name) for e in parts["exclude"]):
            yield (
                ("recipes", recipe, "weights"),
                f"'pretrained': {model.name} has no published weights; "
                f"leave it out with exclude: [{{model: {model.name}, recipe: {recipe}}}]",
            )


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
        yield from _twice("seeds", axes["seed"])
    if parts.get("study") in RESERVED:
        yield ("study",), f"{parts['study']!r} is a folder of results that all studies share; choose another name"
    if "model" in axes:
        yield from _ensemble_problems(parts, axes["model"])
    yield from _external_problems(parts, axes)
    yield from _comparison_problems(parts, axes)
    if len(axes) == 5 and "exclude" in parts:
        yield from _exclusion_problems(parts, axes)
    if len(axes.keys() - {"seed"}) == 4 and "report" in parts:
        names = [name for axis in ("dataset", "augmentation", "recipe") for name in axes[axis]]
        names += _rows_of_models(parts, axes["model"])
        for name in parts["report"].labels:
            yield from _unless_known(("report", "labels", name), "name", name, names)
    yield from _reference_problems(parts, axes)
    if "evaluate" in parts and "probe" in parts and parts["evaluate"].verification and not parts["probe"].embeddings:
        yield ("evaluate", "verification"), "compares embeddings; add probe: {embeddings: true}"
    if "evaluate" in parts and "report" in parts:
        yield from _column_problems(parts["report"].columns, parts["evaluate"].metrics)
    if parts.keys() >= {"requirements", "evaluate", "profile"}:
        conditions = [condition.label for condition in parts["profile"].conditions()]
        yield from requirements.problems(parts["requirements"], parts["evaluate"].metrics, conditions)
    if "evaluate" in parts and "compare" in parts and parts["compare"].metric not in parts["evaluate"].metrics:
        have = nearest(parts["compare"].metric, parts["evaluate"].metrics)
        yield ("compare", "metric"), f"{parts['compare'].metric!r} is not among the metrics evaluated; {have}"
    if "compare" in parts and parts["compare"].split != "fixed":
        yield (
            ("compare", "split"),
            "'resampled': a study draws the images of a data set once, the same for every seed; leave it out "
            "(it is for scores made elsewhere)",
        )


def _ensemble_problems(parts: Mapping[str, Any], models: list[str]) -> Iterator[Problem]:
    ensembles: list[EnsembleEntry] = parts.get("ensembles", [])
    yield from _twice("ensembles", [ensemble.name for ensemble in ensembles])
    taken = {*models, *(f"{model}{TTA}" for model in models)}
    for i, ensemble in enumerate(ensembles):
        if ensemble.name in taken:
            yield ("ensembles", i, "name"), f"{ensemble.name!r} is a model of this study; give it another name"
        for j, model in enumerate(ensemble.models):
            yield from _unless_known(("ensembles", i, "models", j), "model", model, models)
        yield from ((("ensembles", i, *path), text) for path, text in _twice("models", ensemble.models))
        if ensemble.over == "models" and len(ensemble.models) < 2:
            yield ("ensembles", i, "models"), "over: models needs at least two; over: seeds takes one model's seeds"


def _external_problems(parts: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> Iterator[Problem]:
    rows = _rows_of_models({**parts, "external": {}}, axes.get("model", []))
    entries: dict[str, External] = parts.get("external", {})
    for name, entry in entries.items():
        path: KeyPath = ("external", name)
        if name in rows:
            yield path, "is the name of another row of this study; give it its own"
        if "dataset" in axes:
            yield from _unless_known((*path, "dataset"), "data set", entry.dataset, axes["dataset"])
        yield from (((*path, *at), text) for at, text in _twice("predictions", entry.predictions))
        for i, file in enumerate(entry.predictions):
            if text := problem_of_file(file):
                yield (*path, "predictions", i), f"{file!r} {text}"
        if entry.paired and len(entry.predictions) > len(axes.get("seed", entry.predictions)):
            yield (*path, "paired"), f"{len(entry.predictions)} files have no seeds to pair with: there are fewer"


def _rows_of_models(parts: Mapping[str, Any], models: list[str]) -> list[str]:
    """What rows of models are called: the models, runs made from theirs, and those made elsewhere."""
    names = [*models, *(ensemble.name for ensemble in parts.get("ensembles", [])), *parts.get("external", {})]
    if "probe" in parts and parts["probe"].tta:
        names += [f"{model}{TTA}" for model in models]
    return names


def _column_problems(columns: list[str], metrics: Iterable[str]) -> Iterator[Problem]:
    known = [*KINDS, *metrics]
    for i, name in enumerate(columns):
        if name not in known:
            hint = f"{nearest(name, known)} (all: bakeoff columns, bakeoff metrics)"
            yield ("report", "columns", i), f"{name!r} is no column and no metric evaluated; {hint}"
    yield from ((("report", *path), text) for path, text in _twice("columns", columns))


def _reference_problems(parts: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> Iterator[Problem]:
    """Published values of what the study does not have, and such as no metric has, for one per cent."""
    for i, reference in enumerate(parts.get("reference", [])):
        known = {**axes, **({"model": _rows_of_models(parts, axes["model"])} if "model" in axes else {})}
        for axis in ("dataset", "model", "augmentation", "recipe"):
            if axis in known and (value := getattr(reference, axis)) is not None:
                yield from _unless_known(("reference", i, axis), axis, value, known[axis])
        metric = reference.metric or (parts["compare"].metric if "compare" in parts else "")
        if "evaluate" in parts and reference.metric:
            yield from _unless_known(("reference", i, "metric"), "metric", metric, list(parts["evaluate"].metrics))
        lo, hi = KNOWN[metric].range if metric in KNOWN else (-math.inf, None)
        if not lo <= reference.value <= (math.inf if hi is None else hi):
            hint = "; 94.9 % is written 0.949" if KNOWN[metric].unit == "fraction" else ""
            yield ("reference", i, "value"), f"{reference.value:g} is out of the range of {metric}{hint}"
    if len(axes) == 5 and "exclude" in parts:
        yield from _vain_references(parts, axes)


def _vain_references(parts: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> Iterator[Problem]:
    """Published values of cells that are left out."""
    grid = ("dataset", "model", "augmentation", "recipe")
    there = {tuple(place[axis] for axis in grid) for place in places(axes, parts["exclude"])}
    for i, reference in enumerate(parts.get("reference", [])):
        wanted = tuple(getattr(reference, axis) for axis in grid)
        known = all(value is None or value in axes[axis] for axis, value in zip(grid, wanted, strict=True))
        if known and not any(all(w in (None, v) for w, v in zip(wanted, place, strict=True)) for place in there):
            yield ("reference", i), "stands for no run of this study: what it names is excluded"


def _twice(key: str, values: list[Any]) -> Iterator[Problem]:
    seen = set()
    for i, value in enumerate(values):
        if value in seen:
            yield (
                (key, i),
                f"{value!r} stands twice; {'keep one' if key in ('seeds', 'columns') else 'give each its own name'}",
            )
        seen.add(value)


def _unless_known(path: KeyPath, kind: str, value: str, known: list[str]) -> Iterator[Problem]:
    if value not in known:
        yield path, f"{value!r} is no {kind} of this study; {nearest(value, known, 'the study has')}"


def _comparison_problems(parts: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> Iterator[Problem]:
    comparisons = parts.get("comparisons", [])
    yield from _twice("comparisons", [comparison.name for comparison in comparisons])
    for i, comparison in enumerate(comparisons):
        if comparison.factor in axes:
            path: KeyPath = ("comparisons", i, "baseline")
            known = [*axes[comparison.factor], *(parts.get("external", {}) if comparison.factor == "model" else [])]
            yield from _unless_known(path, comparison.factor, comparison.baseline, known)


def _exclusion_problems(parts: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> Iterator[Problem]:
    exclusions: list[Exclusion] = parts["exclude"]
    for i, exclusion in enumerate(exclusions):
        for axis, values in exclusion.wanted().items():
            known = list(map(str, axes[axis]))
            for value in values:
                yield from _unless_known(("exclude", i, axis), axis, str(value), known)
    left = {step for place in places(axes, exclusions) for step in place.items()}
    if not left:
        yield ("exclude",), "leaves no run at all; exclude less"
        return
    questions = parts.get("comparisons", []) or _default_questions(axes["model"][0])
    for i, question in enumerate(questions):
        if question.baseline in axes[question.factor] and (question.factor, question.baseline) not in left:
            yield (
                ("comparisons", i, "baseline"),
                f"{question.baseline!r} has no run left to compare with; exclude less or name another baseline",
            )


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
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **scale.in_schema(Study.model_json_schema())}
