"""What every label has to pass, whoever computed it: forces that balance, and moments that fit the multiplicity."""

SPIN_TOLERANCE_MUB = 0.2


def net_force_fault(net_eV_per_A: float, most_eV_per_A: float) -> str | None:
    """What is wrong with a net force |ΣF| above its limit; None for a good one."""
    if net_eV_per_A > most_eV_per_A:
        return f"the net force is {net_eV_per_A:.3f} eV/Å, above {most_eV_per_A:g}"
    return None


def spin_fault(sum_muB: float, multiplicity: int, of: str) -> str | None:
    """What is wrong with moments (`of` whom, in words) whose sum is not 2S within 0.2 µB; None for good ones."""
    if abs(sum_muB - (multiplicity - 1)) > SPIN_TOLERANCE_MUB:
        return f"the {of} moments add up to {sum_muB:.3f} µB where multiplicity {multiplicity} means {multiplicity - 1}"
    return None
