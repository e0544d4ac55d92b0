"""Model files as `pair_style mace` reads them."""

from pathlib import Path

from ..files import write_bytes


def place_model(model: Path, target: Path, readout: Path | None = None, *, with_torch: bool = False) -> None:
    """Write the archive of a `model` to `target`: a copy, or for a portable model an export, with its `readout` of
    moments.
    """
    if model.suffix == ".naglass":
        write_bytes(target, model.read_bytes())
        return
    from ..engines.mace.export import export_model
    from ..engines.mace.spin import SpinReadout

    spin = SpinReadout.load(readout) if readout else None
    export_model(model, target, spin=spin, with_torch=with_torch)
