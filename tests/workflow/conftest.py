from __future__ import annotations

import pytest
from checkout import Checkout, Outcome


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, Outcome]:
    """A fresh checkout in which the tiny study was run once."""
    checkout = Checkout.fresh(tmp_path_factory.mktemp("base") / "checkout")
    return checkout, checkout.snakemake(checkout.study())


@pytest.fixture
def done(first_run: tuple[Checkout, Outcome], tmp_path) -> Checkout:
    """A copy of that checkout, to be changed."""
    return first_run[0].copy(tmp_path / "checkout")
