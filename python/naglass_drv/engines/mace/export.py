"""Cut a MACE model into the archive that LAMMPS' ``pair_style mace`` reads (``X.naglass``)."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import __version__
from ...errors import InputError
from ...files import write_zip
from .filekind import ARCHIVE_FORMAT as FORMAT
from .filekind import ARCHIVE_VERSION as FORMAT_VERSION
from .heads import Head, choose_heads
from .modelfile import default_dtype, import_torch, load_model, one_line, torch_dtype, versions
from .spin import NAME, UNIT, SpinReadout

if TYPE_CHECKING:
    import torch


_INTERACTIONS = frozenset(
    {
        "RealAgnosticInteractionBlock",
        "RealAgnosticResidualInteractionBlock",
        "RealAgnosticDensityInteractionBlock",
        "RealAgnosticDensityResidualInteractionBlock",
        "RealAgnosticResidualNonLinearInteractionBlock",
    }
)
# every class that may occur inside the model: any other is refused with its name
_KNOWN_BLOCKS = _INTERACTIONS | {
    "MACE",
    "ScaleShiftMACE",
    "LinearNodeEmbeddingBlock",
    "RadialEmbeddingBlock",
    "BesselBasis",
    "ChebychevBasis",
    "GaussianBasis",
    "PolynomialCutoff",
    "AgnesiTransform",
    "SoftTransform",
    "ZBLBasis",
    "AtomicEnergiesBlock",
    "EquivariantProductBasisBlock",
    "SymmetricContraction",
    "Contraction",
    "LinearReadoutBlock",
    "NonLinearReadoutBlock",
    "NonLinearBiasReadoutBlock",
    "ScaleShiftBlock",
    "reshape_irreps",
    "Linear",
    "TensorProduct",
    "FullyConnectedTensorProduct",
    "FullyConnectedNet",
    "_Layer",
    "RadialMLP",
    "LayerNorm",
    "SiLU",
    "GatedEquivariantBlock",
    "SphericalHarmonics",
    "Activation",
    "normalize2mom",
    "ModuleList",
    "Sequential",
    "ParameterList",
    "RecursiveScriptModule",
    "GraphModule",
    "GraphModuleImpl",
}

# what their owner can do first about blocks that are refused
_ADVICE = {
    "LoRA": "merge them by mace.modules.lora.merge_lora_weights first",
    "cuequivariance": "convert the model with mace_cueq_to_e3nn first",
    "openequivariance": "convert the model with mace.cli.convert_oeq_e3nn first",
}


def export_model(
    model_path: str | Path,
    out_path: str | Path,
    *,
    head: str | Sequence[str] | None = None,
    dtype: str = "float64",
    trust: bool = False,
    spin: SpinReadout | None = None,
    with_torch: bool = False,
) -> Path:
    """Export a MACE model for ``pair_style mace``.

    Parameters: `model_path`, a portable model or (with ``trust=True``) a pickled mace-torch ``.model``;
    `out_path`, the archive to write; `head`, which training head to keep, needed if there are several, or several of
    them, which form a committee;
    `dtype`, ``float64`` or ``float32``, the precision of the archived weights; `spin`, a readout to carry along as
    the extra output ``spin``; `with_torch`, write TorchScript for the libtorch backend (GPUs) instead of numbers alone.
    Energies in eV, lengths in Å, moments in µB.

    Returns the archive's path. Raises InputError, by name, for any block that is not reproduced exactly.
    """
    model = load_model(model_path, trust=trust)
    return export_module(
        model, out_path, head=head, dtype=dtype, source=str(model_path), spin=spin, with_torch=with_torch
    )


def export_module(
    model: torch.nn.Module,
    out_path: str | Path,
    *,
    head: str | Sequence[str] | None = None,
    dtype: str = "float64",
    source: str = "",
    spin: SpinReadout | None = None,
    with_torch: bool = False,
) -> Path:
    """As `export_model`, for a model in memory; the model itself is left untouched. Errors name the `source`."""
    chosen = check_supported(model, head, source)
    if spin is not None and list(spin.elements) != (elements := _elements(model)):
        raise InputError(f"spin readout of {' '.join(spin.elements)}: the model has {' '.join(elements)}")
    with default_dtype(dtype):
        model = _copy(model).cpu().to(torch_dtype(dtype)).eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        meta = _metadata(model, chosen, dtype=dtype, source=source)
        if spin is not None:
            meta["outputs"].append({"name": NAME, "unit": UNIT, "columns": 1, "labels": spin.labels})
        with _naming(source), _as_built():
            make = _torch_entries if with_torch else _native_entries
            entries, meta["weights"] = make(model, chosen, spin, dtype)
        meta["content"] = hashlib.sha256(_flat_weights(model)[1]).hexdigest()
        weights = _flat_weights(_copy(model).float())[1]
        for head in meta["heads"]:
            # the same for exports in either precision
            head["content"] = hashlib.sha256(weights + head["name"].encode()).hexdigest()
    # `content` stands for the arrays
    stated = {key: value for key, value in meta.items() if key != "weights"}
    meta["sha256"] = hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()
    meta["versions"] = {"naglass": __version__, **versions()}
    # stored, not deflated: the reader in the pair style needs no decompression library
    write_zip(Path(out_path), {"metadata.json": json.dumps(meta, indent=1)} | entries, stored=True)
    return Path(out_path)


def _native_entries(
    model: torch.nn.Module, heads: list[Head], spin: SpinReadout | None, dtype: str
) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Entries with numbers only, and the table of the arrays."""
    from .native import describe
    from .selfcheck import check_description

    document, arrays = describe(model, heads)
    check_description(model, document, arrays, [head.index for head in heads])
    if spin is not None:
        document["outputs"].append(spin.describe(arrays))
    return {"model.json": json.dumps(document).encode(), "weights.bin": b"".join(arrays.chunks)}, arrays.table


def _torch_entries(
    model: torch.nn.Module, heads: list[Head], spin: SpinReadout | None, dtype: str
) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """TorchScript pieces, and all parameters with their table."""
    from .selfcheck import check_pieces

    if type(model.radial_embedding.bessel_fn).__name__ == "ChebychevBasis":
        raise InputError("ChebychevBasis: PyTorch does not differentiate it, so that forces would not be those of the "
                         "energy; export without --torch")  # fmt: skip
    if len(heads) > 1:
        raise InputError("several heads in one archive: only naglass's own kernels evaluate them; export each head to "
                         "an archive of its own, or without --torch")  # fmt: skip
    (head,) = heads
    table, weights = _flat_weights(model)
    parts = _cut(model, head)
    check_pieces(model, parts, head.index)
    pieces = {f"pieces/{name}.pt": _serialize(piece) for name, piece in parts.items()}
    if spin is not None:
        pieces[f"pieces/output_{NAME}.pt"] = _serialize(spin.piece().to(torch_dtype(dtype)))
    return pieces | {"weights.bin": weights}, table


@contextmanager
def _as_built():
    """What another release of mace-torch may lack or call otherwise is an InputError."""
    try:
        yield
    except (AttributeError, ValueError) as error:
        raise InputError(
            f"differs from what mace-torch {versions()['mace-torch']} builds ({one_line(error)})"
        ) from error


def check_supported(model: torch.nn.Module, head: str | Sequence[str] | None = None, source: str = "") -> list[Head]:
    """The training heads to keep; InputError naming what the export does not handle exactly, or the heads to choose."""
    with _naming(source):
        _check_blocks(model)
        _check_settings(model)
        return choose_heads(model, [head] if isinstance(head, str) else list(head or []))


@contextmanager
def _naming(source: str):
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}" if source else str(error)) from error


def _check_blocks(model: torch.nn.Module) -> None:
    kind = type(model).__name__
    if kind in ("RecursiveScriptModule", "ScriptModule"):
        raise InputError("a compiled (TorchScript) model: use the .model file that it was made from")
    if kind not in ("MACE", "ScaleShiftMACE"):
        raise InputError(f"{kind}: not supported by the export (only MACE and ScaleShiftMACE); nothing was written")
    unknown = sorted({_class_name(m) for m in model.modules()} - _KNOWN_BLOCKS)
    unknown += [name for name in ("joint_embedding", "embedding_readout") if hasattr(model, name)]
    if unknown:
        fitting = (text for name, text in _ADVICE.items() if any(name in block for block in unknown))
        advice = next(fitting, "nothing was written")
        raise InputError(f"model block {', '.join(unknown)}: not supported by the export; {advice}")


def _class_name(module: torch.nn.Module) -> str:
    """Name of the class, with its module where that is not of the packages which the known blocks come from."""
    kind = type(module)
    own = kind.__module__.partition(".")[0] in ("mace", "e3nn", "torch")
    return kind.__name__ if own else f"{kind.__module__}.{kind.__name__}"


def _check_settings(model: torch.nn.Module) -> None:
    """What a known block can be set to, or be changed to after it was made, that the pieces would not follow."""
    torch = import_torch()
    for module in model.modules():
        # e3nn compiles what it generates; those objects always have their forward
        if isinstance(module, torch.jit.ScriptModule):
            continue
        if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
            raise InputError(f"{type(module).__name__}: its forward was replaced or has hooks; the export drops them")
    configs = [getattr(block, "cueq_config", None) for block in (*model.interactions, *model.products)]
    if any(c is not None and (c.enabled or c.layout_str != "mul_ir") for c in configs):
        raise InputError(f"cuequivariance layout: {_ADVICE['cuequivariance']}")
    if any(hasattr(block, "conv_fusion") for block in model.interactions):
        raise InputError(f"conv_fusion of openequivariance or cuequivariance: {_ADVICE['openequivariance']}")
    if len(model.readouts) == 0:
        raise InputError("the model has no readout: its energy does not depend on positions")
    if not model.spherical_harmonics.normalize:
        raise InputError("SphericalHarmonics with normalize=False: not supported by the export")
    if model.r_max.numel() != 1:
        raise InputError(
            f"r_max has {model.r_max.numel()} values: the export supports only one cutoff for all elements"
        )


def _copy(model: torch.nn.Module) -> torch.nn.Module:
    # mace-torch's EmptyParam, a weight fixed at zero, cannot be copied as what it is
    import torch

    plain = {
        id(p): torch.nn.Parameter(p.detach().clone(), requires_grad=False)
        for p in model.parameters()
        if type(p).__name__ == "EmptyParam"
    }
    return copy.deepcopy(model, plain)


def _cut(model: torch.nn.Module, head: Head) -> dict[str, torch.nn.Module]:
    """The pieces by archive name, which share the model's blocks."""
    from .pieces import EdgePiece, PostPiece, PrePiece

    cutoff_apart = not getattr(model.radial_embedding, "apply_cutoff", True)
    count = len(model.interactions)
    pieces = {"edge": EdgePiece(model, head.scale)}
    for i, (interaction, product) in enumerate(zip(model.interactions, model.products, strict=True)):
        pieces[f"pre_{i}"] = PrePiece(interaction, model.node_embedding if i == 0 else None)
        readout = _readout(model, i, count)
        pieces[f"post_{i}"] = PostPiece(
            interaction, product, readout, cutoff_apart=cutoff_apart, scale=head.scale, head=head.index
        )
    return pieces


def _readout(model: torch.nn.Module, layer: int, count: int) -> torch.nn.Module | None:
    if len(model.readouts) == 1:
        return model.readouts[0] if layer == count - 1 else None
    return model.readouts[layer]


def _serialize(piece: torch.nn.Module) -> bytes:
    from e3nn.util.jit import compile as compile_module

    torch = import_torch()
    buffer = io.BytesIO()
    with warnings.catch_warnings(), _in_order():
        # TorchScript announces its own deprecation for every submodule
        warnings.simplefilter("ignore")
        torch.jit.save(compile_module(piece.eval()), buffer)
    return buffer.getvalue()


class _Ordered(set):
    def __iter__(self):
        return iter(sorted(super().__iter__()))


@contextmanager
def _in_order():
    """TorchScript writes a module's constants in the order of a set of names, which differs from process to process."""
    import torch.jit._recursive as recursive

    recursive.set = _Ordered
    try:
        yield
    finally:
        del recursive.set


def _layer_facts(interaction: torch.nn.Module) -> dict[str, Any]:
    return {
        "block": type(interaction).__name__,
        "up_width": int(interaction.linear_up.irreps_out.dim),
        "up_irreps": str(interaction.linear_up.irreps_out),
        "node_irreps": str(interaction.hidden_irreps),
        "avg_num_neighbors": float(interaction.avg_num_neighbors),
    }


def _flat_weights(model: torch.nn.Module) -> tuple[list[dict[str, Any]], bytes]:
    """All parameters and buffers of the model, one after another, with a table of name, shape and offset."""
    table, chunks, offset = [], [], 0
    for name, tensor in model.state_dict().items():
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        table.append(
            {
                "name": name,
                "shape": list(tensor.shape),
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "offset": offset,
            }
        )
        chunks.append(array.tobytes())
        offset += array.nbytes
    return table, b"".join(chunks)


def _elements(model: torch.nn.Module) -> list[str]:
    from ase.data import chemical_symbols

    return [chemical_symbols[int(z)] for z in model.atomic_numbers]


def _metadata(model: torch.nn.Module, heads: list[Head], *, dtype: str, source: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "source": Path(source).name,
        "elements": _elements(model),
        "atomic_numbers": [int(z) for z in model.atomic_numbers],
        # of each element: in the first layer an atom has the features of its state
        "states": [1] * len(model.atomic_numbers),
        "r_max": float(model.r_max),
        "dtype": dtype,
        "heads": [
            {
                "name": head.name,
                "atomic_energies": head.atomic_energies,
                "energy_scale": head.scale,
                "energy_shift": head.shift,
            }
            for head in heads
        ],
        "pair_repulsion": hasattr(model, "pair_repulsion"),
        "layers": [_layer_facts(block) for block in model.interactions],
        "outputs": [],
    }
