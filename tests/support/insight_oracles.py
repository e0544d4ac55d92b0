"""Writes tests/data/insight/oracles.json: what MAPIE and hidimstat find, for `tests/insight/test_oracles.py`.

Neither is a dependency: run this file with a Python that has hidimstat 0.4.0, MAPIE 1.6.0 and scikit-learn 1.9.1.
"""

import json
from pathlib import Path

import numpy as np
from hidimstat import CFI, LOCO
from mapie.regression import CrossConformalRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import LeaveOneOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TARGET = Path(__file__).parents[1] / "data" / "insight" / "oracles.json"
PENALTIES = np.logspace(-3, 4, 15)
GROUPS = {"a": [0, 1], "b": [2], "c": [3, 4]}


def main() -> None:
    rng = np.random.default_rng(11)
    features = rng.normal(size=(24, 3))
    target = features @ [1.0, -0.5, 0.0] + 0.4 * rng.normal(size=24)
    known, asked = features[:20], features[20:]
    conformal = CrossConformalRegressor(LinearRegression(), confidence_level=0.9, method="plus", cv=LeaveOneOut())
    _, ends = conformal.fit_conformalize(known, target[:20]).predict_interval(asked)
    mapie = {"features": known.tolist(), "target": target[:20].tolist(), "asked": asked.tolist()}
    mapie |= {"low": ends[:, 0, 0].tolist(), "high": ends[:, 1, 0].tolist()}

    many = rng.normal(size=(240, 5))
    many[:, 3] += 0.8 * many[:, 0]
    values = many @ [1.0, 0.5, 0.0, 0.7, 0.0] + 0.5 * rng.normal(size=240)
    train, test = slice(0, 120), slice(120, 240)
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(many[train], values[train])
    groups = {name: np.array(columns) for name, columns in GROUPS.items()}
    loco = LOCO(model, features_groups=groups)
    loco.fit(many[train], values[train])
    cfi = CFI(model, n_permutations=400, features_groups=groups, random_state=0)
    cfi.fit(many[train], values[train])
    hidimstat = {"features": many.tolist(), "target": values.tolist(), "groups": GROUPS}
    hidimstat |= {"loco": np.asarray(loco.importance(many[test], values[test])).tolist()}
    hidimstat |= {"cfi": np.asarray(cfi.importance(many[test], values[test])).tolist()}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps({"mapie 1.6.0": mapie, "hidimstat 0.4.0": hidimstat}) + "\n")


if __name__ == "__main__":
    main()
