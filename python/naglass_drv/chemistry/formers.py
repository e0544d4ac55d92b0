"""Which elements form networks and which are anions, and how far their first shells reach."""

FORMERS = ("P", "Si", "B")
#: In a PO4 one oxygen is terminal (P=O), so that it has at most three bridges.
MOST_BRIDGES = {"P": 3, "Si": 4, "B": 4}
#: Anions come last in every table, figure and pair name.
ANIONS = ("O", "F", "S", "Cl")
# Covalent and ionic first shells of oxide glasses; anything else is the first minimum of its own g(r).
DEFAULT_CUTOFFS_A = {"P-O": 2.0, "V-O": 2.5, "Na-O": 3.1, "Fe-O": 2.75, "Si-O": 2.2}
# For other transition metals, so that a run and its analysis count the same bonds
METAL_O_CUTOFF_A = 2.5
#: The longest bond of a polyhedron that is kept whole where surroundings are cut out.
LONGEST_BOND_A = 3.0


def oxygen_cutoff_A(element: str) -> float:
    """How far (Å) the oxygens of a network former or transition metal reach, where nothing else is given."""
    return DEFAULT_CUTOFFS_A.get(f"{element}-O", METAL_O_CUTOFF_A)
