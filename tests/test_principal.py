"""Principal axes are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from refer.evaluation.principal import principal_axes


@pytest.mark.parametrize(("points", "width"), [(3, 64), (7, 512), (300, 5), (2, 4)])
def test_axes_and_places_are_those_of_scikit_learn(points: int, width: int) -> None:
    cloud = np.random.default_rng(points).normal(size=(points, width)) * np.linspace(1, 3, width)
    theirs = PCA(2, svd_solver="full").fit(cloud)
    centre, axes = principal_axes(cloud)
    np.testing.assert_allclose(centre, theirs.mean_)
    spread = theirs.explained_variance_ > 1e-9  # two points differ in one direction, and the other is any
    np.testing.assert_allclose(axes[spread], theirs.components_[spread], atol=1e-9)
    np.testing.assert_allclose(((cloud - centre) @ axes.T)[:, spread], theirs.transform(cloud)[:, spread], atol=1e-9)
