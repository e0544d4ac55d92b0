"""Crystals, their Ewald energies, and the terminations of every plane up to index 2."""

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from naglass_drv.errors import InputError
from naglass_drv.interface.crystal import OCCUPANCY, crystal_of, read_crystal, units_of
from naglass_drv.interface.ewald import COULOMB_EV_A, coulomb_energy, pair_potentials, rigid_ion_energy
from naglass_drv.interface.occupancy import resolve
from naglass_drv.interface.orient import oriented, primitive, supercell
from naglass_drv.interface.slabs import chosen, listed, slab
from naglass_drv.interface.terminations import J_M2, slab_sites, terminations, with_cleavage
from support.structures import DATA, brute_force_pairs

NASICON = {"Na": 3, "V": 2, "P": 3, "O": 12}
SMALL_PLANES = sorted(
    hkl for hkl in itertools.product(range(-2, 3), repeat=3) if hkl > (0, 0, 0) and np.gcd.reduce(hkl) == 1
)


def crystal(name):
    if name == "maricite":
        return read_crystal(DATA / "NaFePO4_maricite.extxyz")
    composition = NASICON if name == "NVP_R-3c_hex_allNa" else None
    return read_crystal(DATA / "crystals" / f"{name}.cif", composition)


def rocksalt():
    return crystal_of(bulk("NaCl", "rocksalt", a=5.64, cubic=True), name="NaCl")


@pytest.mark.parametrize(
    ("structure", "nearest", "madelung"),
    [
        (bulk("NaCl", "rocksalt", a=5.64), 2.82, 1.747564594633182),
        (bulk("CsCl", "cesiumchloride", a=4.1), 4.1 * 3**0.5 / 2, 1.762674773070992),
        (bulk("ZnS", "zincblende", a=5.4), 5.4 * 3**0.5 / 4, 1.638055053388789),
    ],
)
def test_madelung_constants(structure, nearest, madelung):
    """Of NaCl, CsCl and ZnS, as tabulated (Sakamoto, J. Chem. Phys. 28, 164 (1958))."""
    charges = np.array([1.0, -1.0])
    structure = structure * (2, 1, 1)
    charges = np.tile(charges, 2)
    expected = -2 * madelung * COULOMB_EV_A / nearest
    assert coulomb_energy(structure, charges) == pytest.approx(expected, rel=1e-7)
    matrix = pair_potentials(structure, np.arange(4))
    assert charges @ matrix @ charges / 2 == pytest.approx(expected, rel=1e-7)


def test_a_slab_in_vacuum_has_the_energy_of_one_alone():
    """Against the plain sum over a neutral slab of 41 x 41 cells around each ion, and for any thickness of vacuum."""
    cell = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    charges = np.where(cell.symbols == "Na", 1.0, -1.0)
    energies = []
    for vacuum in (10.0, 25.0):
        slab = cell.copy()
        slab.cell[2, 2] += vacuum
        energies.append(coulomb_energy(slab, charges, slab=True))
    assert energies[0] == pytest.approx(energies[1], abs=1e-4)
    steps = np.arange(-20, 21) * 5.64
    shifts = np.array([[x, y, 0] for x in steps for y in steps])
    # Evjen: half of the outermost cells on a side, so that each order of the sum is neutral and without dipole
    weight = np.where(np.abs(shifts) > 112, 0.5, 1.0).prod(axis=1)
    total = 0.0
    for i, j in itertools.product(range(8), repeat=2):
        distance = np.linalg.norm(cell.positions[j] - cell.positions[i] + shifts, axis=1)
        near = distance > 1e-9
        total += charges[i] * charges[j] * (weight[near] / distance[near]).sum() / 2
    assert energies[1] == pytest.approx(COULOMB_EV_A * total, rel=1e-4)


def test_rigid_ions_are_those_of_lammps():
    """Energy differences of a strained maricite against the pair sum written out from the published parameters."""
    whole = crystal("maricite")
    energy = rigid_ion_energy(whole.ions)
    table = {"Na": (0.023363, 1.763867, 3.006315, 5.0), "P": (0.831326, 2.585833, 1.800790, 1.0),
             "O": (0.042395, 1.379316, 3.618701, 22.0), "Fe": (0.078171, 1.822638, 2.658163, 2.0)}  # fmt: skip
    charges = {"Na": 0.6, "Fe": 1.2, "P": 3.0, "O": -1.2}
    atoms = whole.atoms
    expected = coulomb_energy(atoms, np.array([charges[s] for s in atoms.symbols]))
    for (i, j, _), r in brute_force_pairs(atoms, 5.5).items():
        pair = {atoms.symbols[i], atoms.symbols[j]}
        if "O" in pair:
            d, a, r0, c = table[next(iter(pair - {"O"}), "O")]
            expected += 0.5 * (d * (np.exp(-2 * a * (r - r0)) - 2 * np.exp(-a * (r - r0))) + c / r**12)
    assert energy(atoms) == pytest.approx(expected, rel=1e-9)


def test_the_occupied_sites_of_nasicon():
    """Ewald finds the arrangement that 4000 random ones of Na2 had as their best, from any seed."""
    disordered, ordered = crystal("NVP_R-3c_hex_allNa"), crystal("NVP_R-3c_Na3_ewald_ordered")
    assert disordered.formula == ordered.formula == {"Na": 3, "V": 2, "P": 3, "O": 12}
    assert disordered.charges == {"Na": 1, "V": 3, "P": 5, "O": -2}
    best = coulomb_energy(ordered.atoms, np.array([ordered.charges[s] for s in ordered.atoms.symbols]))
    for seed in (0, 1):
        found = resolve(disordered.atoms, disordered.charges, seed=seed)
        assert found.energy_eV == pytest.approx(best, abs=1e-6)
        assert found.atoms.get_chemical_formula() == "Na18O72P18V12"
        # every Na1 site, the first six, is full
        assert set(range(6)) <= set(found.kept.tolist())


def test_the_search_finds_the_minimum_of_all_arrangements():
    rng = np.random.default_rng(4)
    sites = Atoms("Na8Cl4", rng.random((12, 3)) * 9, cell=[9, 9, 9], pbc=True)
    sites.set_array(OCCUPANCY, np.array([0.5] * 8 + [1.0] * 4))
    charges = {"Na": 1.0, "Cl": -1.0}
    best = min(
        coulomb_energy(sites[[*kept, 8, 9, 10, 11]], np.array([1.0] * 4 + [-1.0] * 4))
        for kept in itertools.combinations(range(8), 4)
    )
    assert resolve(sites, charges).energy_eV == pytest.approx(best, abs=1e-6)


def test_a_primitive_cell_is_found():
    lattice, kept = primitive(crystal("NVP_R-3c_hex_allNa"))
    assert len(kept) == 42 and abs(np.linalg.det(lattice)) == pytest.approx(8.738**2 * 21.815 * 3**0.5 / 6)
    assert len(primitive(rocksalt())[1]) == 2
    assert len(primitive(crystal("maricite"))[1]) == 28


@pytest.mark.parametrize("name", ["maricite", "NVP_R-3c_hex_allNa"])
def test_every_termination_of_small_planes_is_whole_and_neutral(name):
    """All 49 planes up to index 2: PO4 unbroken, stoichiometric, at least one cut without a dipole."""
    whole = crystal(name)
    assert len(SMALL_PLANES) == 49
    for hkl in SMALL_PLANES:
        turned = oriented(whole, hkl)
        # the planes (hkl) of the crystal, by its reciprocal lattice, in their distance or a whole part of it
        normal = np.linalg.inv(whole.atoms.cell.array) @ hkl
        assert turned.rotation[2] @ normal == pytest.approx(np.linalg.norm(normal))
        ratio = 1 / np.linalg.norm(normal) / turned.spacing
        assert ratio == pytest.approx(round(ratio)) or 1 / ratio == pytest.approx(round(1 / ratio))
        cuts = terminations(turned)
        assert not cuts[0].polar, hkl
        for cut in cuts:
            sites = slab_sites(turned, cut, 1, np.eye(2, dtype=int))
            occupancy = sites.arrays[OCCUPANCY]
            charge = occupancy @ [whole.charges[s] for s in sites.symbols]
            dipole = (occupancy * [whole.charges[s] for s in sites.symbols]) @ sites.positions[:, 2]
            assert charge == pytest.approx(0, abs=1e-9)
            assert dipole == pytest.approx(cut.surface_charge_e * turned.spacing, abs=1e-6)
            for element, number in whole.formula.items():
                amount = occupancy[sites.symbols == element].sum()
                assert amount / len(turned.positions) == pytest.approx(
                    float(whole.counts[element]) / len(whole.atoms)
                ), (hkl, number)
            assert four_oxygens_each(sites)


def four_oxygens_each(atoms):
    """Without images: the atoms of a unit stand together."""
    phosphorus, oxygen = (atoms.positions[atoms.symbols == element] for element in "PO")
    return ((np.linalg.norm(phosphorus[:, None] - oxygen[None], axis=2) < 2.0).sum(axis=1) == 4).all()


def test_cleavage_of_a_crystal_of_bonds():
    """With 1 eV per Na-Cl contact, NaCl (100) has one cut bond per ion: 4 per a² of 5.64 Å, and (110) 2·4/(√2 a²)."""

    def bonds(atoms):
        return -sum(0.5 for distance in brute_force_pairs(atoms, 3.0).values() if distance > 0)

    for hkl, cut_bonds in (((1, 0, 0), 4 / 5.64**2), ((1, 1, 0), 8 / (2**0.5 * 5.64**2))):
        found = listed(rocksalt(), hkl, bonds)
        assert len(found) == 1 and not found[0].polar
        assert found[0].cut_bonds_nm2 == pytest.approx(100 * cut_bonds)
        assert found[0].cleavage_J_m2 == pytest.approx(J_M2 * cut_bonds / 2)


def test_cleavage_depends_neither_on_thickness_nor_on_the_choice_of_an_equivalent_plane(monkeypatch):
    """Of maricite (101), by rigid ions; of a polar cut it grows with thickness."""
    thin = listed(crystal("maricite"), (1, 0, 1))
    other = listed(crystal("maricite"), (1, 0, -1))
    assert [cut.cleavage_J_m2 for cut in thin] == pytest.approx([cut.cleavage_J_m2 for cut in other], abs=1e-5)
    monkeypatch.setattr("naglass_drv.interface.terminations._THICKNESS_A", 20.0)
    thick = listed(crystal("maricite"), (1, 0, 1))
    assert [cut.cleavage_J_m2 for cut in thick[:2]] == pytest.approx([cut.cleavage_J_m2 for cut in thin[:2]], abs=1e-3)
    assert not thick[1].polar and thick[2].polar and thick[2].cleavage_J_m2 > thin[2].cleavage_J_m2 + 0.1


def test_planes_that_a_threefold_axis_maps_on_each_other_have_the_same_terminations():
    rows = []
    for hkl in ((1, 0, 4), (-1, 1, 4), (0, -1, 4)):
        cuts = terminations(oriented(crystal("NVP_R-3c_hex_allNa"), hkl))
        rows.append([[cut.cut_bonds_nm2, abs(cut.surface_charge_e), cut.equivalent] for cut in cuts])
    assert rows[0] == pytest.approx(np.array(rows[1]), abs=1e-6) and rows[0] == pytest.approx(
        np.array(rows[2]), abs=1e-6
    )


def test_vanadium_pentoxide_parts_between_its_layers():
    """(001) of the layered crystal: the plane taken by itself cuts no bond of V to O below 2.5 Å."""
    taken = chosen(listed(crystal("V2O5_alpha_Pmmn"), (0, 0, 1)))
    assert taken.cut_bonds_nm2 == pytest.approx(0, abs=1e-9) and taken.share == 0


def test_a_network_in_the_plane_stays_whole():
    """Endless chains of PO4 along x, two repeats of them in the cell: cut between chains, refused across them."""
    chain = Atoms(
        "PO3Na", [[0, 5, 4], [1.55, 5, 4], [0, 6.2, 4.9], [0, 3.8, 4.9], [1.55, 5, 8]], cell=[3.1, 10, 10], pbc=True
    )
    whole = crystal_of(chain.repeat((2, 1, 1)), name="chains")
    with pytest.raises(InputError, match=r"hkl 1 0 0: no termination of chains .* connected along \["):
        oriented(whole, (1, 0, 0))
    for hkl in ((0, 0, 1), (0, 1, 0)):
        cuts = terminations(oriented(whole, hkl))
        made = slab(whole, cuts[0], thickness_A=9, lateral_A=6)
        formers = made.atoms.symbols == "P"
        distances = made.atoms.get_all_distances(mic=True)[formers][:, made.atoms.symbols == "O"]
        assert ((distances < 2.0).sum(axis=1) == 4).all() and np.sort(distances[distances > 0])[0] > 1.4


def test_the_polar_plane_of_rock_salt_shares_a_layer():
    """NaCl (111): the octopolar cut has half of a layer on either side, and its dipole vanishes."""
    turned = oriented(rocksalt(), (1, 1, 1))
    cuts = terminations(turned)
    assert [cut.polar for cut in cuts] == [False, False, True]
    assert [cut.symmetric for cut in cuts] == [True, True, False]
    assert [cut.share for cut in cuts[:2]] == pytest.approx([0.5, 0.5]) and cuts[0].cells == 2
    polar = cuts[-1]
    assert abs(polar.surface_charge_e) == pytest.approx(0.5)
    assert slab(rocksalt(), cuts[0], thickness_A=10, lateral_A=8).dipole_eA == pytest.approx(0, abs=1e-6)


def test_nasicon_slabs_keep_their_composition():
    whole = crystal("NVP_R-3c_hex_allNa")
    made = slab(whole, chosen(terminations(oriented(whole, (1, 0, 0)))), thickness_A=8, lateral_A=12, seed=3)
    again = slab(whole, made.termination, thickness_A=8, lateral_A=12, seed=3)
    assert (made.atoms.positions == again.atoms.positions).all() and made.tried > 1000
    counts = {element: int((made.atoms.symbols == element).sum()) for element in NASICON}
    assert len({counts[element] / number for element, number in NASICON.items()}) == 1
    assert four_oxygens_each(made.atoms) and made.thickness_A >= 8
    assert abs(made.dipole_eA) / made.thickness_A < 1
    assert np.linalg.norm(made.lateral, axis=1).min() >= 12


def test_cells_follow_the_run():
    whole = crystal("maricite").with_cell([9.2, 7.0, 5.2])
    assert whole.atoms.cell.lengths() == pytest.approx([9.2, 7.0, 5.2])
    assert len(terminations(oriented(whole, (0, 0, 1)))) == len(terminations(oriented(crystal("maricite"), (0, 0, 1))))
    with pytest.raises(InputError, match=r"cell \[9\.2, 7\.0\]"):
        whole.with_cell([9.2, 7.0])


def test_lateral_cells_are_wide_and_rectangular():
    turned = oriented(crystal("NVP_R-3c_hex_allNa"), (0, 0, 1))
    a, b = supercell(turned.lateral, 20) @ turned.lateral
    assert a @ b == pytest.approx(0, abs=1e-9) and min(np.linalg.norm(a), np.linalg.norm(b)) >= 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: oriented(crystal("maricite"), (0, 0, 0)), "hkl 0 0 0: must be three whole numbers"),
        (lambda: oriented(crystal("maricite"), (1, 0)), "hkl 1 0: must be three"),
        (lambda: oriented(crystal("SiO2_alpha_quartz_ringfixture"), (0, 0, 1)), "hkl 0 0 1: no termination .*connect"),
        (lambda: crystal_of(bulk("Fe")), "mean charge"),
        (lambda: crystal_of(Atoms("NaCl", positions=[[0, 0, 0], [2, 0, 0]])), "not periodic"),
        (lambda: read_crystal(DATA / "crystals" / "NVP_R-3c_hex_allNa.cif", {"Na": 3, "P": 1}), "but the crystal has"),
        (lambda: listed(crystal("NVPF_P42mnm_allNa"), (0, 0, 1)), "by rigid-ions: .*parameters for .*F-.*coulomb"),
        (lambda: with_cleavage(oriented(rocksalt(), (1, 0, 0)), [], "dft"), "by 'dft'"),
        (lambda: chosen(terminations(oriented(rocksalt(), (1, 0, 0))), 7), "termination 7: hkl 1 0 0 has 0 to 0"),
        (lambda: slab(rocksalt(), terminations(oriented(rocksalt(), (1, 0, 0)))[0], thickness_A=-1), "thickness -1 Å"),
    ],
)  # fmt: skip
def test_what_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_polar_planes_are_not_taken_by_themselves():
    cuts = terminations(oriented(rocksalt(), (1, 1, 1)))[-1:]
    with pytest.raises(InputError, match="all 1 terminations are polar"):
        chosen(cuts)
    assert chosen(cuts, 0) is cuts[0]


def test_a_cif_with_occupancies(tmp_path):
    """Na sites of a P1 cell, half full; two elements on a site are refused with their shares."""
    text = (DATA / "crystals" / "NVP_R-3c_hex_allNa.cif").read_text()
    lines = [line.replace("1.0000", "0.75") if line.startswith("  Na ") else line for line in text.splitlines()]
    (tmp_path / "partly.cif").write_text("\n".join(lines) + "\n")
    whole = read_crystal(tmp_path / "partly.cif")
    assert whole.disordered and whole.formula == NASICON and whole.charges["V"] == 3
    shared = [*lines, lines[-1].replace(" O ", " F ").replace("O72", "F1").replace("1.0000", "0.5")]
    (tmp_path / "shared.cif").write_text("\n".join(shared) + "\n")
    with pytest.raises(InputError, match=r"shared\.cif: site \d+ has several elements \(O 1, F 0\.5\)"):
        read_crystal(tmp_path / "shared.cif")
    (tmp_path / "bad.cif").write_text("data_x\nloop_\n_cell")
    with pytest.raises(InputError, match=r"bad\.cif"):
        read_crystal(tmp_path / "bad.cif")


def test_slabs_that_need_several_cells_for_whole_ions_get_wider():
    """NaCl with half of its ions: half an ion of each per lattice cell of a single (001) layer."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.set_array(OCCUPANCY, np.full(8, 0.5))
    whole = crystal_of(atoms, name="half")
    assert whole.disordered and whole.counts == {"Na": 2, "Cl": 2}
    cuts = listed(whole, (0, 0, 1), "coulomb")
    made = slab(whole, cuts[0], thickness_A=2.8, lateral_A=4)
    assert (made.atoms.symbols == "Na").sum() == (made.atoms.symbols == "Cl").sum() == len(made.atoms) / 2
    assert made.thickness_A == pytest.approx(2.82)


def test_a_cif_with_a_space_group_and_occupancies(tmp_path):
    """NASICON as a refinement states it, with ions for elements and an uncertainty; a primitive cell has a third."""
    (tmp_path / "nvp.cif").write_text(
        "data_nvp\n_cell_length_a 8.738\n_cell_length_b 8.738\n_cell_length_c 21.815\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 120\n_symmetry_space_group_name_H-M 'R -3 c'\n"
        "_symmetry_Int_Tables_number 167\nloop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n"
        "_atom_site_fract_y\n_atom_site_fract_z\n_atom_site_occupancy\nNa1 Na+ 0.33333 0.66667 0.16667 0.806(8)\n"
        "Na2 Na+ 0.66667 0.9659 0.08333 0.732\nV1 V3+ 0.33333 0.66667 0.0197 1\nP1 P5+ -0.0416 0.33333 0.08333 1\n"
        "O1 O2- 0.1424 0.4976 0.0781 1\nO2 O2- 0.5395 0.8461 -0.0269 1\n"
    )
    whole = read_crystal(tmp_path / "nvp.cif")
    assert whole.counts == {"Na": 18, "V": 12, "P": 18, "O": 72} and len(whole.atoms) == 126
    assert sorted(set(np.round(whole.occupancy, 3).tolist())) == [0.732, 0.805, 1.0]
    assert len(primitive(whole)[1]) == 42


def test_units_are_whole_across_the_cell():
    atoms = crystal("maricite").atoms
    units = units_of(atoms)
    assert units.of_atom.max() + 1 == 12 and units.periods == ()
    for unit in range(12):
        own = np.flatnonzero(units.of_atom == unit)
        if len(own) > 1:
            head = units.positions[own][atoms.symbols[own] == "P"][0]
            assert (np.linalg.norm(units.positions[own] - head, axis=1) < 1.6).all()
