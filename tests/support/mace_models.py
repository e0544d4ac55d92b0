"""Small MACE models with seeded random weights, made by mace-torch's constructors, and structures."""

import json

import numpy as np
from ase import Atoms

from naglass_drv.products import Model
from naglass_drv.stages import committee

ELEMENTS = ["O", "Na", "P", "V"]
NUMBERS = [8, 11, 15, 23]

# together: residual and plain first layers, density blocks, pair repulsion, distance transform, several
# heads, cutoff on the weights, two and three layers, and features wider than one pass of the exchange
MODELS = {
    "residual": dict(hidden="8x0e+8x1o", layers=2, r_max=4.0, max_ell=2, correlation=3),
    "zbl": dict(
        hidden="16x0e",
        layers=2,
        r_max=4.5,
        max_ell=3,
        correlation=2,
        pair_repulsion=True,
        first="RealAgnosticInteractionBlock",
        distance_transform="Agnesi",
    ),
    "deep": dict(
        hidden="24x0e+24x1o",
        layers=3,
        r_max=3.5,
        max_ell=1,
        correlation=2,
        apply_cutoff=False,
        first="RealAgnosticDensityInteractionBlock",
        other="RealAgnosticDensityResidualInteractionBlock",
        heads=["cheap", "full"],
    ),
}
HEADS = {"deep": "full"}
# factors on screening coefficients, exponent of the envelope, radii, exponent of the charges and length
REPULSION = (0.8, 1, 0.9, 1.1, 1.3)
# where any model will do
SMALLEST = dict(hidden="4x0e", r_max=3.5, max_ell=1, correlation=1)


def build_model(
    hidden="8x0e",
    layers=2,
    r_max=3.5,
    max_ell=1,
    correlation=2,
    first=None,
    other=None,
    radial_MLP=(16, 16),
    seed=7,
    kind="ScaleShiftMACE",
    **more,
):
    """A MACE model in double precision for Na, V, P, O; call it under torch's float64 default. `more` goes to
    mace-torch's constructor."""
    import torch
    from e3nn import o3
    from mace import modules

    residual = "RealAgnosticResidualInteractionBlock"
    torch.manual_seed(seed)
    heads = more.get("heads", ["Default"])
    settings = dict(
        r_max=r_max,
        num_bessel=6,
        num_polynomial_cutoff=5,
        max_ell=max_ell,
        num_interactions=layers,
        interaction_cls=modules.interaction_classes[other or residual],
        interaction_cls_first=modules.interaction_classes[first or residual],
        num_elements=len(NUMBERS),
        hidden_irreps=o3.Irreps(hidden),
        MLP_irreps=o3.Irreps("8x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.array([[-433.3 - h, -0.0749 + h, -0.0973, -0.2084] for h in range(len(heads))]),
        avg_num_neighbors=17.3,
        atomic_numbers=NUMBERS,
        correlation=correlation,
        radial_MLP=list(radial_MLP),
    )
    if kind == "ScaleShiftMACE":
        scales = [1.3 + 0.4 * h for h in range(len(heads))]
        shifts = [0.2 - 0.3 * h for h in range(len(heads))]
        settings["atomic_inter_scale"] = scales if len(heads) > 1 else scales[0]
        settings["atomic_inter_shift"] = shifts if len(heads) > 1 else shifts[0]
    model = getattr(modules, kind)(**(settings | more)).eval()
    _stir(model)
    return model


def _stir(model) -> None:
    """Move what mace-torch starts as ones or zeros, such as biases, or gives to every model: an error there would not
    show."""
    import torch

    with torch.no_grad():
        if hasattr(model, "pair_repulsion_fn"):
            for number, factor in zip(model.pair_repulsion_fn.buffers(), REPULSION, strict=True):
                number.mul_(factor)
        for parameter in model.parameters():
            # the type alone tells a weight that is fixed at zero
            if type(parameter) is torch.nn.Parameter and parameter.numel() and parameter.min() == parameter.max():
                parameter.add_(0.3 * torch.randn_like(parameter))


def packing(count: int, volume: float, tilt: bool = False, seed: int = 0) -> Atoms:
    """Random Na4V2P4O16-like packing, no two atoms closer than 1.5 Å; `volume` in Å³ per atom."""
    rng = np.random.default_rng(seed)
    edge = (count * volume) ** (1 / 3)
    cell = np.diag([1.1 * edge, edge, edge / 1.1])
    if tilt:
        cell = cell @ np.array([[1, 0, 0], [0.25, 1, 0], [-0.2, 0.3, 1]])
    places: list[np.ndarray] = []
    while len(places) < count:
        place = rng.random(3)
        away = np.array([place - other for other in places]).reshape(-1, 3)
        away -= np.round(away)
        if (np.linalg.norm(away @ cell, axis=1) > 1.5).all():
            places.append(place)
    symbols = (["Na"] * 4 + ["V"] * 2 + ["P"] * 4 + ["O"] * 16) * (1 + count // 26)
    return Atoms(symbols[:count], scaled_positions=places, cell=cell, pbc=True)


def structures() -> dict[str, Atoms]:
    """Orthorhombic, triclinic, smaller than any cutoff, with empty space (so that ranks own nothing), with
    atoms that have no neighbor at all, and a pair deep in the repulsive core."""
    corner = packing(7, 14.0, seed=3)
    corner.set_cell([30.0, 8.0, 8.0])
    lonely = Atoms("NaOPV", positions=[[1, 1, 1], [1, 9, 9], [9, 1, 9], [9, 9, 1]], cell=[16, 16, 16], pbc=True)
    core = packing(12, 16.0, seed=5)
    core.positions[1] = core.positions[0] + [0.6, 0.3, 0.2]
    return {
        "bulk": packing(26, 14.0),
        "triclinic": packing(26, 14.0, tilt=True, seed=1),
        "small": Atoms(
            "NaVO",
            positions=[[0.1, 0.2, 0.3], [1.6, 1.7, 0.2], [0.2, 1.5, 1.8]],
            cell=[[2.9, 0, 0], [0.5, 3.1, 0], [-0.4, 0.6, 3.3]],
            pbc=True,
        ),
        "corner": corner,
        "lonely": lonely,
        "core": core,
    }


def give_moments(model, frames: list[Atoms]) -> None:
    """REF_spin (µB): for V a linear function of the model's invariant features between about 0 and 3, pointing down;
    0.25 for the others."""
    from naglass_drv.engines.mace import spin
    from naglass_drv.engines.mace.modelfile import default_dtype

    columns = spin.invariant_columns(model)
    with default_dtype("float64"):
        features = [f.numpy()[:, columns] for f, _ in spin.node_features(model, frames)]
    weight = np.random.default_rng(5).normal(size=len(columns))
    vanadium = [np.array(frame.symbols) == "V" for frame in frames]
    values = np.concatenate([f[v] @ weight for f, v in zip(features, vanadium)])
    for frame, feature, own in zip(frames, features, vanadium):
        moment = 1.5 + 0.4 * (feature @ weight - values.mean()) / values.std()
        frame.set_array("REF_spin", np.where(own, -np.abs(moment), 0.25))


def fitted(folder, count=2):
    """A product of so many untrained members, calibrated by hand."""
    from naglass_drv.engines.mace.export import export_model
    from naglass_drv.engines.mace.modelfile import default_dtype, save_portable

    files = {}
    for member in range(count):
        portable, archive = folder / f"{member}.mace", folder / f"{member}.naglass"
        with default_dtype("float64"):
            save_portable(build_model(**SMALLEST, seed=member), portable)
        export_model(portable, archive)
        files |= {committee.role_of(member, "portable"): portable, committee.role_of(member, "archive"): archive}
    files["uncertainty"] = folder / "uncertainty.json"
    files["uncertainty"].write_text(json.dumps({"scale": {"Na": 2.0, "V": 1.0, "P": 0.5, "O": 3.0}}))
    return Model(step="train", files=files)
