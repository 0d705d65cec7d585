"""The `profile` part of a study: which conditions it means, and what it says of those that there are not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError
from study_fixture import TINY

from bakeoff.errors import UserError
from bakeoff.profile.spec import Condition, ProfileSettings, ProfileSpec
from bakeoff.study import check
from bakeoff.studyfile import Document

JOB = {"model": {"name": "lenet5", "builder": "lenet5"}, "input": (1, 8, 8), "classes": 10}


def labels(**settings: Any) -> list[str]:
    return [condition.label for condition in ProfileSettings.model_validate(settings).conditions()]


def complaint(**profile: Any) -> str:
    """What a user reads whose study has this `profile`."""
    with pytest.raises(UserError) as refusal:
        check(Document("tiny.yaml", {**TINY, "profile": profile}, {}))
    return str(refusal.value)


# --- conditions ---


def test_without_a_word_it_is_one_condition() -> None:
    assert ProfileSettings().conditions() == [Condition()]
    assert labels() == ["auto, 1 thread"]


def test_conditions_are_in_the_order_of_the_file() -> None:
    assert labels(devices=["cpu"], threads=[2, 1], precisions=["bf16", "fp32"]) == [
        "CPU, 2 threads, bf16", "CPU, 2 threads", "CPU, 1 thread, bf16", "CPU, 1 thread",
    ]  # fmt: skip


def test_a_gpu_is_measured_with_the_first_number_of_threads_alone() -> None:
    assert labels(devices=["cuda", "cpu"], threads=[4, 1]) == ["GPU", "CPU, 4 threads", "CPU, 1 thread"]
    (gpu, *_) = ProfileSettings(devices=["cuda"], threads=[4, 1]).conditions()
    assert gpu.threads == 4


def test_what_there_is_not_is_left_out_of_the_product() -> None:
    assert labels(devices=["cpu", "cuda"], precisions=["fp32", "tf32", "bf16"], backends=["eager", "onnxruntime"]) == [
        "CPU, 1 thread", "CPU, 1 thread, onnxruntime", "CPU, 1 thread, bf16", "GPU", "GPU, tf32", "GPU, bf16",
    ]  # fmt: skip


def test_labels_tell_conditions_apart() -> None:
    everything = labels(
        devices=["auto", "cpu", "cuda"],
        threads=[1, 2],
        precisions=["fp32", "tf32", "bf16", "fp16"],
        backends=["eager", "compile", "onnxruntime"],
    )
    assert len(set(everything)) == len(everything) > 20


def test_the_memory_order_is_that_of_all() -> None:
    settings = ProfileSettings(devices=["cpu"], threads=[1, 2], channels_last=False)
    assert {condition.channels_last for condition in settings.conditions()} == {False}


def test_effort_is_all_that_is_no_condition() -> None:
    assert ProfileSettings(devices=["cpu"], min_calls=3).effort() == {
        "min_calls": 3, "min_seconds": 2.0, "max_batch": 256,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"device": "cpu", "precision": "tf32"}, "arithmetic of GPUs"),
        ({"device": "cpu", "precision": "bf16", "backend": "onnxruntime"}, "in fp32"),
        ({"device": "cuda", "backend": "onnxruntime"}, "on the CPU"),
    ],
)
def test_a_job_that_there_is_not_is_refused(condition: dict[str, Any], said: str) -> None:
    misfit = Condition.model_validate(condition).misfit()
    assert misfit is not None
    assert said in misfit
    with pytest.raises(ValidationError, match=said):
        ProfileSpec.model_validate({**JOB, **condition})


def test_a_job_has_square_images() -> None:
    with pytest.raises(ValidationError, match="images are square"):
        ProfileSpec.model_validate({**JOB, "input": (1, 8, 9)})


# --- what a user reads ---


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({"device": "cpu"}, r"profile\.device: no such key; did you mean devices\?"),
        ({"devices": ["gpu"]}, r"profile\.devices\[0\]: 'gpu' must be 'auto', 'cpu' or 'cuda'"),
        ({"devices": "cpu"}, r"profile\.devices: 'cpu' must be a list, as in \[a, b\]"),
        ({"devices": []}, r"profile\.devices: is empty; give at least one"),
        ({"devices": ["cpu", "cpu"]}, r"profile\.devices: names something twice"),
        ({"threads": [1, 2, 1]}, r"profile\.threads: names something twice"),
        ({"threads": [0]}, r"profile\.threads\[0\]: 0 must be greater than or equal to 1"),
        ({"threads": ["2"]}, r"profile\.threads\[0\]: '2' must be a whole number, without quotes"),
        ({"threads": [True]}, r"profile\.threads\[0\]: true must be a whole number"),
        ({"threads": 2}, r"profile\.threads: 2 must be a list"),
        ({"precisions": ["int8"]}, r"profile\.precisions\[0\]: 'int8' must be 'fp32', 'tf32', 'bf16' or 'fp16'"),
        ({"backends": ["tensorrt"]}, r"profile\.backends\[0\]: 'tensorrt' must be 'eager', 'compile' or 'onnxruntime'"),
        ({"devices": ["cpu"], "precisions": ["fp32", "tf32"]}, r"precisions: tf32: tf32 is an arithmetic of GPUs"),
        ({"devices": ["cuda"], "backends": ["onnxruntime"]}, r"onnxruntime is measured on the CPU"),
        ({"precisions": ["bf16"], "backends": ["eager", "onnxruntime"]}, r"backends: onnxruntime: .* in fp32"),
        ({"min_seconds": -1}, r"profile\.min_seconds: -1 must be greater than or equal to 0"),
        ({"min_seconds": float("inf")}, r"profile\.min_seconds: Infinity must be a finite number"),
        ({"min_calls": 0}, r"profile\.min_calls: 0 must be"),
        ({"max_batch": 1.5}, r"profile\.max_batch: 1\.5 must be a "),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(profile: dict[str, Any], said: str) -> None:
    text = complaint(**profile)
    assert re.search(said, text), text
    assert "\n" not in text


def test_what_lacks_a_condition_is_named_once_where_it_stands() -> None:
    text = complaint(devices=["cpu"], precisions=["tf32"], backends=["eager"])
    assert text.count("tf32 is an arithmetic of GPUs") == 1
    assert text.startswith("tiny.yaml: profile.")
