"""Numbers in sentences."""


def counted(number: int, noun: str) -> str:
    """``1 task``, ``2 tasks``, ``1 melt-quench of 26 atoms``, ``2 melt-quenches of 26 atoms``, ``3 trajectories``."""
    first, space, rest = noun.partition(" ")
    if number != 1:
        first = f"{first[:-1]}ies" if first.endswith("y") else f"{first}es" if first.endswith("ch") else f"{first}s"
    return f"{number} {first}{space}{rest}"
