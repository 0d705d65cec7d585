"""The settings of the probe: what a study may ask, and what it is told where that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from study_fixture import grid, study

from bakeoff import study as study_module
from bakeoff.errors import UserError


def problems(**settings: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        study(probe={"explain": 4, "explain_methods": ["hirescam", "shap"]}, **settings)
    return str(caught.value).splitlines()


def test_shap_needs_its_package_and_small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    large = [{"name": "digits", "image_size": 65}]
    monkeypatch.setattr(study_module, "find_spec", lambda _: None)
    text = "\n".join(problems(datasets=large))
    assert "probe.explain_methods: shap is not installed: pip install 'bakeoff[shap]'" in text
    assert "shap is for images of up to 64 pixels, and digits has 65; leave it out" in text
    monkeypatch.setattr(study_module, "find_spec", lambda _: object())
    assert study(probe={"explain": 4, "explain_methods": ["shap"]}).probe.explain_methods == ("shap",)
    assert "not installed" not in "\n".join(problems(datasets=large))


@pytest.mark.parametrize(
    ("methods", "complaint"),
    [
        (["lime"], "'lime' must be 'hirescam', 'gradcam' or 'shap'"),
        ([], "give at least one"),
        (["shap", "shap"], "stands twice"),
    ],
)
def test_methods_are_known_and_named_once(methods: list[str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        study(probe={"explain_methods": methods})


def test_verification_needs_embeddings_and_changes_no_metric() -> None:
    with pytest.raises(UserError, match=r"evaluate\.verification: compares embeddings; add probe: \{emb"):
        study(evaluate={"verification": True})
    of = grid(evaluate={"verification": True}, probe={"embeddings": True})
    without = grid(probe={"embeddings": True})
    assert of.evaluate_spec == without.evaluate_spec
    assert (len(of.verifications()), without.verifications()) == (len(of.probes()), [])
    assert {cell["probe"]["verification"] for cell in of.compare_spec()["cells"]} == {of.verification_code}
    assert {cell["probe"]["verification"] for cell in without.compare_spec()["cells"]} == {None}


def test_another_method_is_another_probe_and_trains_nothing() -> None:
    one, other = grid(probe={"explain": 4}), grid(probe={"explain": 4, "explain_methods": ["gradcam"]})
    assert one.cells == other.cells
    assert set(one.probes()).isdisjoint(other.probes())
