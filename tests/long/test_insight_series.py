"""The real series of examples/insight-series with two independent seeds: what one claims, the other confirms."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from support.jobs import naglass

EXAMPLE = Path(__file__).parents[2] / "examples" / "insight-series" / "input.yaml"
SEEDS = (1, 2)
_HOUR_S = 3600

pytestmark = pytest.mark.mpi


@pytest.fixture(scope="module")
def claims(tmp_path_factory):
    """claims.yaml of each seed."""
    found = {}
    for seed in SEEDS:
        folder = tmp_path_factory.mktemp(f"seed-{seed}")
        text = EXAMPLE.read_text()
        assert "\nseed: 1\n" in text
        (folder / "input.yaml").write_text(text.replace("\nseed: 1\n", f"\nseed: {seed}\n"))
        done = naglass("run", "input.yaml", cwd=folder, ranks=2, patience_s=_HOUR_S)
        assert done.returncode == 0, done.stderr
        print(f"\nseed {seed}: {done.stdout.splitlines()[-1]}")
        found[seed] = YAML(typ="safe").load(folder / "run" / "products" / "insight" / "claims.yaml")
        for claim in found[seed]["claims"]:
            print(f"  {claim['verdict']}: {claim['statement']} p = {claim['p']['corrected']}")
    return found


def trend(found, share):
    return next(claim for claim in found["claims"] if claim["verdict"] == "trend" and claim["share"] == share)


def test_all_glasses_are_learned_from(claims):
    for found in claims.values():
        assert (found["compositions"], found["rows"], found["temperature_K"]) == (24, 48, [1200.0])
        assert not found["splits"]["replica"]["evidence"] and found["splits"]["composition"]["sets"] == 24
        assert found["intervals"]["level"] == 0.95


def test_sodium_diffuses_faster_with_more_of_it_in_both(claims):
    """The claim of the series: the same sign, and intervals that overlap."""
    first, second = (trend(claims[seed], "Na2O")["effect"] for seed in SEEDS)
    assert first["change_for_10_mol_percent"] > 0 and second["change_for_10_mol_percent"] > 0
    (low, high), (other_low, other_high) = first["interval_95"], second["interval_95"]
    assert low > 0 and other_low > 0 and max(low, other_low) <= min(high, other_high)


def test_no_trend_of_one_seed_has_the_other_sign_in_the_other(claims):
    for one, other in (SEEDS, SEEDS[::-1]):
        others = {c["share"]: c for c in claims[other]["claims"] if c["verdict"] == "trend"}
        for claim in claims[one]["claims"]:
            if claim["verdict"] == "trend" and claim["share"] in others:
                against = others[claim["share"]]["effect"]["change_for_10_mol_percent"]
                assert claim["effect"]["change_for_10_mol_percent"] * against > 0


def test_the_glasses_of_both_tell_something(claims):
    """A block, or one of several, is important in each; what one adds may be missed with the other seed."""
    for found in claims.values():
        assert any(claim["verdict"] == "important" for claim in found["claims"])
