"""A broken study file ends in few lines that name the key, and say what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_fixture import TINY, bakeoff, study

from bakeoff import studyfile
from bakeoff.compare.spec import Comparison
from bakeoff.errors import UserError
from bakeoff.study import load, load_workflow

HEAD = "study: x\ndatasets: [digits]\n"
GOOD = HEAD + "models: [lenet5, tiny_vit]\n"

# A broken study file, and what its message must name: the line, the key path, the remedy.
BROKEN = {
    "unknown key": (GOOD + "seed: [1]\n", [":4: seed: no such key; did you mean seeds?"]),
    "key of a later version": (GOOD + "__use_yte__: true\n", [":4: __use_yte__: no such key; the keys are study, "]),
    "misspelt model": (
        HEAD + "models:\n - lenet5\n - timm/resnt18\n",
        [":5: models[1]: 'timm/resnt18' is no such model; did you mean timm/resnet18 "],
    ),
    "model like no other": (HEAD + "models: [qqqq]\n", ["models[0]: 'qqqq' is no such model; there are lenet5, "]),
    "negative lr": (
        GOOD + "recipes:\n  plain:\n    lr: -1e-3\n",
        [":6: recipes.plain.lr: -0.001 must be greater than 0"],
    ),
    "duplicate seeds": (GOOD + "seeds: [3, 4, 3]\n", [":4: seeds[2]: 3 stands twice; keep one"]),
    "seed as text": (GOOD + "seeds: [0, '1']\n", [":4: seeds[1]: '1' must be a whole number, without quotes"]),
    "seed as a word": (GOOD + "seeds: [one]\n", [":4: seeds[0]: 'one' must be a whole number"]),
    "path in a name": (
        GOOD.replace("study: x", "study: ../x"),
        [":1: study: '../x' is no name: use a-z, 0-9, _ . - only"],
    ),
    "path in a model's name": (
        HEAD + "models: [{name: ../../x, builder: lenet5}]\n",
        [":3: models[0].name: '../../x' is no name"],
    ),
    "baseline not in the study": (
        GOOD + "comparisons:\n- factor: model\n  baseline: lenet\n",
        [":6: comparisons[0].baseline: 'lenet' is no model of this study; did you mean lenet5?"],
    ),
    "no models": (HEAD + "models: []\n", [":3: models: is empty; give at least one"]),
    "nothing left": (
        GOOD + "exclude:\n- model: [lenet5, tiny_vit]\n",
        [":4: exclude: leaves no run at all; exclude less"],
    ),
    "baseline without runs": (
        GOOD + "exclude: [{model: lenet5}]\n",
        ["comparisons[0].baseline: 'lenet5' has no run left to compare with; exclude less or name another baseline"],
    ),
    "tab": (
        HEAD + "models:\n\t- lenet5\n",
        [":4: is not valid YAML: found character '\\t' that cannot start any token; indent with spaces, not tabs"],
    ),
    "missing file": (None, ["no such file; study files stand in studies/, the default is config.yaml"]),
    "missing keys": ("study: x\n", ["datasets: is missing", "models: is missing"]),
    "wrong type": (
        GOOD + "recipes: {default: {epochs: many}}\n",
        [":4: recipes.default.epochs: 'many' must be a whole number"],
    ),
    "truth as a number": (
        GOOD + "recipes: {default: {lr: true}}\n",
        [":4: recipes.default.lr: true must be a number"],
    ),
    "a word for a list": (HEAD + "models: lenet5\n", [":3: models: 'lenet5' must be a list, as in [a, b]"]),
    "a list for a mapping": (GOOD + "recipes: [a]\n", [":4: recipes: must be a mapping of keys to values"]),
    "unknown augmentation": (
        GOOD + "augmentations: [standart]\n",
        [":4: augmentations[0]: 'standart' is no such augmentation; did you mean standard?"],
    ),
    "unknown data set": (
        GOOD.replace("[digits]", "[digit]"),
        [":2: datasets[0]: 'digit' is no such data set; did you mean digits?"],
    ),
    "unknown builder behind a name": (
        HEAD + "models:\n- name: mine\n  builder: tiny_vitt\n",
        [":5: models[0].builder: 'tiny_vitt' is no such model; did you mean tiny_vit?"],
    ),
    "name of no builder": (
        HEAD + "models: [{name: lenet}]\n",
        ["models[0]: 'lenet' is no such model; did you mean lenet5?"],
    ),
    "name of no policy": (
        GOOD + "augmentations: [{name: standart}]\n",
        [":4: augmentations[0]: 'standart' is no such augmentation; did you mean standard?"],
    ),
    "name of no source": (
        "study: x\nmodels: [lenet5]\ndatasets: [{name: digit}]\n",
        [":3: datasets[0]: 'digit' is no such data set; did you mean digits?"],
    ),
    "builder without a name": (HEAD + "models: [{builder: lenet5}]\n", [":3: models[0].name: is missing"]),
    "option's choices": (
        HEAD + "models: [{name: r, builder: timm/resnet18, stem: tiny}]\n",
        [":3: models[0].stem: 'tiny' must be one of standard, small"],
    ),
    "option's type": (
        HEAD + "models: [{name: tiny_vit, depth: deep}]\n",
        [":3: models[0].depth: 'deep' must be a whole number, like its default 2"],
    ),
    "misspelt option": (
        HEAD + "models:\n- name: tiny_vit\n  depht: 3\n",
        [":5: models[0].depht: no such option; did you mean depth?"],
    ),
    "strange option": (
        HEAD + "models: [{name: tiny_vit, zzz: 3}]\n",
        [":3: models[0].zzz: no such option; its options are patch, dim, depth, heads"],
    ),
    "option of none": (
        HEAD + "models: [{name: lenet5, width: 3}]\n",
        ["models[0].width: no such option; it has no options"],
    ),
    "label of nobody": (
        GOOD + "report: {labels: {lenet: LeNet}}\n",
        [":4: report.labels.lenet: 'lenet' is no name of this study; did you mean lenet5?"],
    ),
    "label of two lines": (
        GOOD + 'report: {labels: {none: "a\\nb"}}\n',
        [":4: report.labels.none: 'a\\nb' must be one line of text"],
    ),
    "title of two lines": (GOOD + 'title: "a\\nb"\n', [":4: title: 'a\\nb' must be one line of text"]),
    "unknown metric": (
        GOOD + "evaluate: {metrics: [acc]}\n",
        [":4: evaluate.metrics: no such metric: acc; there are accuracy, "],
    ),
    "no requirement": (
        GOOD + "requirements: [accuracy = 0.9]\n",
        [":4: requirements[0]: 'accuracy = 0.9' is no requirement; write accuracy >= 0.9, or latency_ms_p95 < 100"],
    ),
    "requirement in per cent": (
        GOOD + "requirements:\n- size_mb < 10\n- accuracy >= 90 %\n",
        [":6: requirements[1]: 'accuracy >= 90 %' is no requirement; columns have no %: 90 % of a fraction is"],
    ),
    "requirements of what is not there": (
        GOOD + "requirements: {must: [top1 >= 0.9, latency_ms < 3, mcc >= 0.5]}\nevaluate: {metrics: [accuracy]}\n",
        [
            "must[0]: 'top1 >= 0.9': top1 is neither a metric nor a cost; did you mean accuracy?",
            "must[1]: 'latency_ms < 3': latency_ms is neither a metric nor a cost; did you mean latency_ms_p",
            "must[2]: 'mcc >= 0.5': mcc is a metric that this study does not evaluate",
        ],
    ),
    "requirements that were not meant": (
        GOOD
        + "requirements: [accuracy <= 0.9, throughput < 3, accuracy > 90, params < 9 on gpu, throughput > 9 on x]\n",
        [
            "requirements[0]: 'accuracy <= 0.9': accuracy is better when it is larger; write > or >=",
            "requirements[1]: 'throughput < 3': throughput is better when it is larger; write > or >=",
            "requirements[2]: 'accuracy > 90': 90 is out of the range of accuracy; 90 % is written 0.9",
            "requirements[3]: 'params < 9 on gpu': params is the same under every condition; leave `on gpu` out",
            "requirements[4]: 'throughput > 9 on x': on x: is no condition of profile:; the study has auto, 1 thread",
        ],
    ),
    "preference that is no cost": (
        GOOD + "requirements: {must: [size_mb < 9], prefer: latency}\n",
        ["requirements.prefer: 'latency' must be 'macs', 'params'"],
    ),
    "metric not evaluated": (
        GOOD + "evaluate: {metrics: [macro_f1]}\n",
        ["compare.metric: 'accuracy' is not among the metrics evaluated; there are macro_f1"],
    ),
    "splits that no study draws": (
        GOOD + "compare: {split: resampled, n_train: 90, n_test: 10}\n",
        [":4: compare.split: 'resampled': a study draws the images of a data set once"],
    ),
    "stars in the wrong order": (GOOD + "compare: {alpha: [0.01, 0.05]}\n", [":4: compare.alpha: must descend"]),
    "one of a few words": (
        GOOD + "recipes:\n default:\n  optimizer: sdg\n",
        [":6: recipes.default.optimizer: 'sdg' must be 'sgd', 'adam', 'adamw' or 'lamb'"],
    ),
    "number or word": (
        GOOD + "recipes: {default: {train_images: most}}\n",
        [":4: recipes.default.train_images: 'most' must be a whole number or 'all'"],
    ),
    "two models of one name": (
        HEAD + "models:\n- {name: a, builder: lenet5}\n- {name: a, builder: tiny_vit}\n",
        [":5: models[1]: 'a' stands twice; give each its own name"],
    ),
    "two comparisons of one name": (
        GOOD + "comparisons: [{baseline: lenet5}, {baseline: tiny_vit}]\n",
        [":4: comparisons[1]: 'model' stands twice; give each its own name"],
    ),
    "key of a recipe": (
        GOOD + "recipes:\n  none:\n    epoch: 3\n",
        [":6: recipes.none.epoch: no such key; did you mean epochs or step_epochs?"],
    ),
    "key of a data set": (
        "study: x\ndatasets:\n- name: digits\n  size: 3\nmodels: [lenet5]\n",
        [":4: datasets[0].size: no such key; the keys here are image_size, val_fraction, "],
    ),
    "key of a comparison": (
        GOOD + "comparisons: [{baselin: lenet5}]\n",
        [":4: comparisons[0].baselin: no such key; did you mean baseline?", "comparisons[0].baseline: is missing"],
    ),
    "factor of a comparison": (
        GOOD + "comparisons: [{factor: modell, baseline: lenet5}]\n",
        [":4: comparisons[0].factor: 'modell' must be 'model', 'augmentation' or 'recipe'"],
    ),
    "key of an exclusion": (
        GOOD + "exclude: [{modle: lenet5}]\n",
        [":4: exclude[0].modle: no such key; did you mean model?"],
    ),
    "empty exclusion": (GOOD + "exclude: [{}]\n", [":4: exclude[0]: names nothing; give at least one of dataset, "]),
    "empty list in an exclusion": (GOOD + "exclude: [{seed: []}]\n", [":4: exclude[0].seed: is empty"]),
    "unknown exclusion": (
        GOOD + "exclude: [{model: lenet}]\n",
        [":4: exclude[0].model: 'lenet' is no model of this study; did you mean lenet5?"],
    ),
    "excluded seed as text": (GOOD + "exclude: [{seed: x}]\n", [":4: exclude[0].seed: 'x' must be a whole number"]),
    "excluded unknown seed": (
        GOOD + "exclude: [{seed: [0, 9]}]\n",
        [":4: exclude[0].seed: '9' is no seed of this study; the study has 0, 1, 2, 3, 4"],
    ),
    "key of the comparison's settings": (
        GOOD + "compare: {resamples: 10}\n",
        [":4: compare.resamples: no such key; did you mean n_resamples?"],
    ),
    "key of the profile": (GOOD + "profile: {thread: 2}\n", [":4: profile.thread: no such key; did you mean threads?"]),
    "key of the report": (
        GOOD + "report: {theme: red}\n",
        [":4: report.theme: no such key; the keys here are labels, columns"],
    ),
    "a key that writes to the terminal": (GOOD + '"\\e[2Jx": 1\n', [":4: \\x1b[2Jx: no such key"]),
    "no value": (GOOD + "seeds:\n", [":4: seeds: null must be a list"]),
}
RESERVED = ["runs", "data", "profiles"]
NO_NAMES = ["", "a" * 101, "Upper", "a/b", "a\\b", "..", ".hidden", "-flag", "a b", "a\n", "ａ", "a․b", "größe", "a\0"]


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_study_is_explained(case: str, tmp_path: Path) -> None:
    text, said = BROKEN[case]
    path = tmp_path / "study.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(said), lines
    for words in said:
        assert any(words in line and line.startswith(f"{path}:") for line in lines), lines


@pytest.mark.parametrize("case", ["misspelt model", "tab", "missing file"])
def test_the_command_says_the_same_in_a_few_lines(case: str, tmp_path: Path) -> None:
    text, said = BROKEN[case]
    path = tmp_path / "study.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    run = bakeoff("plan", str(path))
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith(f"bakeoff: {path}")
    assert len(run.stderr.splitlines()) == 1
    assert all(words in run.stderr for words in said)


@pytest.mark.parametrize("name", RESERVED)
def test_a_study_cannot_take_the_folder_of_all_studies(name: str) -> None:
    with pytest.raises(UserError, match=f"study: '{name}' is a folder of results that all studies share"):
        study(study=name)


@pytest.mark.parametrize("name", NO_NAMES)
@pytest.mark.parametrize("key", ["study", "datasets", "models", "augmentations", "recipes"])
def test_names_are_names_of_folders(key: str, name: str) -> None:
    changes: dict[str, Any] = {
        "study": name,
        "datasets": [{"name": name, "source": "digits"}],
        "models": [{"name": name, "builder": "lenet5"}],
        "augmentations": [{"name": name, "policy": "none"}],
        "recipes": {name: {}},
    }
    with pytest.raises(UserError, match=f"tiny.yaml: {key}.* is no name: use a-z") as caught:
        study(**{key: changes[key]})
    assert len(str(caught.value).splitlines()) == 1


def test_every_problem_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        "study: ../x\n"
        "models: [lenet, {name: tiny_vit, depht: 3, dim: wide}]\n"
        "recipes:\n"
        "  default:\n"
        "    lr: -1\n"
        "    epoch: 3\n"
        "datasets: [digits]\n"
        "seeds: [0, 0]\n"
        "colour: red\n"
    )
    with pytest.raises(UserError) as caught:
        load(path)
    starts = [line.removeprefix(f"{path}:").split(" ")[:2] for line in str(caught.value).splitlines()]
    assert starts == [
        ["1:", "study:"],
        ["2:", "models[0]:"],
        ["2:", "models[1].dim:"],
        ["5:", "recipes.default.lr:"],
        ["6:", "recipes.default.epoch:"],
        ["8:", "seeds[1]:"],
        ["9:", "colour:"],
    ]
    assert "depht: no such option; did you mean depth?" in str(caught.value)


def test_a_flood_of_problems_is_cut() -> None:
    with pytest.raises(UserError) as caught:
        study(seeds=[0] * 1000)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "... and 979 more"


def test_a_long_value_is_cut() -> None:
    with pytest.raises(UserError) as caught:
        study(**{"models": ["x" * 100_000], "k" * 100_000: 1})
    assert len(str(caught.value)) < 1000


# --- good studies ---


def test_a_bare_word_and_a_mapping_mean_the_same() -> None:
    words = study(datasets=["digits"], models=["timm/resnet18"], augmentations=["standard"])
    written = study(
        datasets=[{"name": "digits"}],
        models=[{"name": "timm-resnet18", "builder": "timm/resnet18", "stem": "standard"}],
        augmentations=[{"name": "standard", "policy": "standard", "padding": 0.125}],
    )
    assert words.datasets == written.datasets
    assert words.models[0].options == written.models[0].options == {"stem": "standard"}
    assert words.models[0].name == "timm-resnet18"
    assert words.augmentations[0].options == written.augmentations[0].options


def test_a_whole_number_is_the_same_option_as_its_decimal() -> None:
    options = study(augmentations=[{"name": "standard", "padding": 1}]).augmentations[0].options
    assert (options, type(options["padding"])) == ({"padding": 1.0}, float)


def test_without_comparisons_the_first_model_is_the_baseline() -> None:
    assert study().questions() == [Comparison(factor="model", baseline="lenet5")]
    asked = [{"factor": "augmentation", "baseline": "none"}]
    assert [question.factor for question in study(comparisons=asked).questions()] == ["augmentation"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"models": ["timm/resnet18", {"name": "deep", "builder": "tiny_vit", "depth": 3}], "title": "Größe: ü & <b>"},
        {"exclude": [{"model": "lenet5", "seed": 1}, {"augmentation": ["none"]}]},
        {"comparisons": [{"factor": "recipe", "baseline": "default", "within": ["model"]}]},
        {"compare": {"alpha": [0.1], "rope": {"accuracy": 1}}, "evaluate": {"metrics": ["macro_f1", "accuracy"]}},
    ],
)
def test_a_study_written_as_plain_data_is_the_same_study(changes: dict[str, Any], tmp_path: Path) -> None:
    """What `bakeoff run` hands to Snakemake."""
    original = study(**changes)
    plain = original.model_dump(mode="json", exclude_unset=True)
    assert load(studyfile.write(plain, tmp_path / "plain.json")) == original


# --- Snakemake's --configfile and --config ---


def _files(folder: Path) -> tuple[Path, Path]:
    first, second = folder / "first.yaml", folder / "second.yaml"
    studyfile.write(TINY, first)
    second.write_text("seeds: [7]\nrecipes:\n  default:\n    lr: 0.5\n")
    return first, second


def test_later_files_and_the_command_line_win(tmp_path: Path) -> None:
    first, second = _files(tmp_path)
    merged = load_workflow([first, second], {"study": "other", "recipes": {"default": {"epochs": 9}}}, first)
    assert (merged.study, merged.seeds) == ("other", [7])
    recipe = merged.recipes["default"]
    assert (recipe.lr, recipe.epochs, recipe.weight_decay) == (0.5, 9, 0.01)
    assert load_workflow([], {}, first) == load(first)


def test_text_of_the_command_line_is_read_as_in_a_file(tmp_path: Path) -> None:
    first, _ = _files(tmp_path)
    # Snakemake leaves everything inside a list or mapping as text.
    given = {"seeds": ["0", "5"], "recipes": {"default": {"lr": "1e-3", "train_images": "all"}}, "threads": 2}
    merged = load_workflow([], given, first)
    assert (merged.seeds, merged.recipes["default"].lr, merged.threads) == ([0, 5], 0.001, 2)


def test_a_problem_is_placed_where_the_value_came_from(tmp_path: Path) -> None:
    first, second = _files(tmp_path)
    second.write_text("seeds: [7]\nrecipes:\n  default:\n    lr: 0\n")
    with pytest.raises(UserError) as caught:
        load_workflow([first, second], {"models": ["lenet"], "compare": {"rope": {"accuracy": float("inf")}}}, first)
    lines = sorted(str(caught.value).splitlines())
    assert [line.split(" ")[0] for line in lines] == ["--config:", "--config:", f"{second}:4:"]
    assert "compare.rope.accuracy: 'inf' must be a number" in lines[0]
    assert "models[0]: 'lenet' is no such model" in lines[1]
