"""The table of systems that `validate` prints for an input with several of them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config.load import Study

_HEAD = ("system", "asked -> realized (mol-%, ratios)", "cell", "charge", "multiplicity", "density (g/cm3)")


def table(study: "Study") -> str:
    """One line for each system: shares and redox ratios, asked and realized; ions, charge, multiplicity, density."""
    from ..chemistry import ions as chemistry

    rows = [_HEAD]
    for name, input in study.systems.items():
        system, origin = input.system, study.origins[name]
        ions = chemistry.species(system.composition, system.formula_units)
        shares = origin.cell.shares if origin.cell is not None else ()
        asked = ", ".join(f"{item.name} {item.asked:g} -> {item.realized:.4g}" for item in shares)
        counts = " ".join(f"{ion.label}:{ion.count}" for ion in ions)
        rows.append(
            (
                name,
                asked or "as given",
                f"{sum(ion.count for ion in ions)} atoms, {counts}",
                f"{chemistry.total_charge(ions):+d}",
                str(chemistry.multiplicity(ions)),
                f"{system.density_g_cm3:.4g} ({origin.density_source})",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = ["  ".join(f"{cell:{width}s}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(f"  {line.rstrip()}" for line in lines)
