"""Every analysis style of the plugin in one table, for the tests of what all of them have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from naglass_drv import core
from support.lammps_runs import write_data
from support.structures import crystal

ELEMENTS = "Na V P O"

# Kinds of arguments by what can be wrong with them: words to add to a sound definition, and the pattern of the message.
NAMES = {"{0} Na V P O": r"elements Na \.\.\.: is given twice"}
ELEMENT = {"{0} Si": "{0} Si: is not among the names given by 'elements'"}
CHOICE = {"{0} best": "{0} best: must be "}
NUMBERS = {"{0} x": "{0} x: must be a number", "{0} nan": "{0} nan: must be a number"}
NUMBER = NUMBERS | {"{0} -1": r"{0}\w* -1: must "}
WHOLE = NUMBERS | {"{0} 2.5": r"{0} 2\.5: must be a whole number"}
COUNT = WHOLE | {"{0} -1": "{0} -1: must be a whole number of at least "}
GROUP = {"{0} nobody": "{0} nobody: no group has this name"}
READ = {"{0} none.env": r"{0} none\.env: cannot be read"}
WRITTEN = {}
PER_ATOM = {"{0} moment": "{0} moment: must be c_ID"}
VALUE = {
    "{0} moment V": "{0} moment: must be c_ID",
    "{0} v_z Si": "{0} Si: is not among the names given by 'elements'",
    "{0} v_z": r"{0} v_z \(end of line\): an argument is missing",
}
CHARGE = {
    "{0} Si 4": "{0} Si: is not among the names given by 'elements'",
    "{0} Na x": "{0} Na x: must be a number",
    "{0} Na": r"{0} Na \(end of line\): an argument is missing",
}
CUTOFF = {
    "{0} P": r"{0} P \(end of line\): an argument is missing",
    "{0} P O": r"{0} P O \(end of line\): an argument is missing",
    "{0} P O x": "{0} P O x: must be a number",
    "{0} P O nan": "{0} P O nan: must be a number",
    "{0} P O -2.0": r"{0} P O -2\.0: must be a positive distance",
    "{0} Si O 2": "{0} Si( O 2: only V O|: is not among the names)",
    "{0} O V 2": "{0} (O V 2: the pair|V O:) is given twice",
}
BONDS = {"elements": NAMES, "cutoff": CUTOFF}


@dataclass(frozen=True)
class Style:
    """How to define a style on a cell of Na, V, P and O, and in which way it keeps what all styles promise.

    `output` are commands that write its numbers to files; `keywords` has for each keyword what can be wrong with it. A
    style with values per atom gives those `outside` its group these; one with `largest` seeks the largest value within
    its group; for all others it is as if atoms outside did not exist. `needs` are commands that come first.
    """

    arguments: str
    output: str
    keywords: Mapping[str, Mapping[str, str]]
    outside: tuple[float, ...] = ()
    largest: bool = False
    takes_labels: bool = True
    needs: str = ""
    steps: int = 20

    @property
    def reads_bonds(self) -> bool:
        return "cutoff" in self.keywords


DUMP = "dump d all custom 10 {file}.dump id "
SORTED = "\ndump_modify d sort id format float %.10g"
VECTOR = "fix o all ave/time 10 1 10 c_c{columns} mode vector file {{file}}.vector"
STYLES = {
    "compute naglass/qn/atom": Style(
        "{elements} former P metal V oxygen O cutoff P O 2.0 cutoff V O 2.5",
        DUMP + "c_c[*]" + SORTED,
        BONDS | dict(former=ELEMENT, metal=ELEMENT, oxygen=ELEMENT, vanadyl=NUMBER),
        outside=(-1, -1, 0),
    ),
    "compute naglass/rings": Style(
        "{elements} cutoff P O 2.0 cutoff V O 2.5 graph tt former P former V bridge O max 6 select abab",
        VECTOR.format(columns=""),
        BONDS
        | dict(criterion=CHOICE, graph=CHOICE, king=CHOICE, select=CHOICE, peratom=CHOICE)
        | dict(former=ELEMENT, bridge=ELEMENT, max=COUNT, reach=COUNT),
    ),
    "compute naglass/linkage": Style(
        "{elements} center V center P ligand O cutoff P O 2.0 cutoff V O 2.5",
        VECTOR.format(columns="[*]"),
        BONDS | dict(center=ELEMENT, ligand=ELEMENT),
    ),
    "compute naglass/fingerprint": Style(
        "{elements} center V ligand O cutoff V O 2.5",
        DUMP + "c_c[*]" + SORTED,
        BONDS
        | dict(center=ELEMENT, ligand=ELEMENT, spin=PER_ATOM, valence=CHOICE, assign=CHOICE, state=WHOLE)
        | dict(valence_cutoff=NUMBER, vanadyl=NUMBER, trans=NUMBER, dioxo=NUMBER)
        | dict(tolerance=NUMBER, threshold=NUMBER, histogram=NUMBERS),
        outside=(0,) * 13,
    ),
    "compute naglass/crystal/atom": Style(
        "{elements} reference nvp.env cutoff P O 2.0 cutoff V O 2.5",
        DUMP + "c_c[*]" + SORTED,
        BONDS
        | dict(reference=READ, sigma=NUMBER, sharpness=NUMBER, reach=NUMBER, orientation=CHOICE)
        | dict(center=ELEMENT, bridge=ELEMENT, ligand=ELEMENT),
        outside=(-1, -1),
    ),
    "fix naglass/correlate": Style(
        "{every} {elements} points 4 van_hove 3.0 0.5 charge Na 1 charge O -2 file {file}.table",
        "",
        dict(elements=NAMES, points=COUNT, longest=COUNT, overlap=NUMBER, van_hove=NUMBERS)
        | dict(charge=CHARGE, framework=GROUP, file=WRITTEN, write=COUNT),
    ),
    "fix naglass/crystal": Style(
        "{every} {elements} order v_o threshold 0.5 connect 4 inside 2.5 shell 1 reference nvp.env file {file}.crystal",
        "",
        dict(elements=NAMES, order=PER_ATOM, threshold=NUMBERS, connect=NUMBER, inside=NUMBER, shell=NUMBER)
        | dict(reference=READ, sigma=NUMBER, reach=NUMBER, file=WRITTEN),
        needs='variable o atom "vx > 0"\n',
    ),
    "fix naglass/hops": Style(
        "{every} {elements} window 2 threshold 0.01 min_length 0 cutoff Na O 2.9 cutoff V O 2.5 file {file}.hops",
        DUMP + "f_c" + SORTED,
        BONDS
        | dict(window=COUNT, threshold=NUMBER, release=NUMBER, min_length=NUMBER)
        | {"return": COUNT, "framework": GROUP, "file": WRITTEN},
        outside=(0,),
    ),
    "fix naglass/profile": Style(
        "{every} {elements} surface v_s O value v_z V width 2 write 5 file {file}.profile",
        "",
        dict(elements=NAMES, axis=CHOICE, width=NUMBER, reach=NUMBER, surface=VALUE, value=VALUE)
        | dict(write=COUNT, file=WRITTEN),
        needs="variable z atom z\nvariable s atom 1.0/(1.0+exp((abs(z-10)-5)/0.5))\n",
    ),
    "fix naglass/select": Style(
        "{every} {elements} band 0 100 min_gap 2 file {file}.xyz",
        "",
        dict(
            elements=NAMES,
            band=NUMBERS,
            file=WRITTEN,
            min_gap=COUNT,
            max_frames=COUNT,
            scale=NUMBERS,
            stop_above=NUMBER,
        ),
        largest=True,
        takes_labels=False,
        steps=4,
        needs="pair_style mace\npair_coeff * * a.naglass b.naglass {names}\n",
    ),
}

#: Styles of the plugin that look at no atoms, with tests of their own.
WITHOUT_ATOMS = ("fix naglass/guard",)


def define(style: str, *, group="all", elements=f"elements {ELEMENTS}", every="2", file="x") -> str:
    """The command that makes an instance `c` of the style."""
    kind, name = style.split()
    return f"{kind} c {group} {name} " + STYLES[style].arguments.format(elements=elements, every=every, file=file)


def write_cell(folder: Path) -> Atoms:
    """cell.data of 120 atoms, and what styles read besides: nvp.env, the environment of vanadium."""
    atoms = crystal("NVP_R-3c_Na3_ewald_ordered")
    core.environments(atoms, "V", ("O", "P"), 3.8).write(folder / "nvp.env")
    write_data(folder / "cell.data", atoms, ELEMENTS.split())
    return atoms
