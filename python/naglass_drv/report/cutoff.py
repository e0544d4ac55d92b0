"""The figure of a cutoff scan."""

from collections.abc import Mapping, Sequence
from typing import Any

from .style import LIMIT, PALETTE, canvas, log_axis, to_svg


def cutoff_figure(found: Sequence[Mapping[str, Any]], max_net_force_eV_per_A: float) -> bytes:
    """Net force and force changes as a function of cutoff, from the rows of a scan, with the limit (SVG)."""
    good = [row for row in found if "failure" not in row]
    with canvas(1, 2, height=2.6) as (figure, (left, right)):
        cutoffs = [row["cutoff_Ry"] for row in good]
        left.plot(cutoffs, [row["net_force_eV_per_A"] for row in good], color=PALETTE[0], marker="o")
        left.axhline(max_net_force_eV_per_A, color=LIMIT, linestyle="--", linewidth=1)
        log_axis(left, "y")
        left.set_title("Net force on the cell")
        left.set_ylabel("|Σ F| (eV/Å)")
        right.plot(cutoffs, [row["force_difference_rms_meV_per_A"] for row in good], color=PALETTE[3], marker="o")
        right.set_title("Forces relative to the largest cutoff")
        right.set_ylabel("rms difference (meV/Å)")
        for axis in (left, right):
            axis.set_xlabel("cutoff (Ry)")
        return to_svg(figure)
