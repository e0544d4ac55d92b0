"""Evaluate a model's description (`native`) step by step in plain numpy: what the native backend computes, written
once more without any care for speed. Features are e3nn's flat columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from .networks import Arrays

_ACTIVATIONS = {
    "identity": lambda x: x,
    "silu": lambda x: x / (1.0 + np.exp(-x)),
    "tanh": np.tanh,
    "abs": np.abs,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
}


def _width(irreps: list) -> int:
    return sum(mul * dim for mul, dim in irreps)


class Described:
    """A description and its arrays."""

    def __init__(self, document: dict[str, Any], arrays: Arrays, r_max: float):
        self.document, self.r_max = document, r_max
        data = b"".join(arrays.chunks)
        self.arrays = {
            row["name"]: np.frombuffer(
                data, "<f8" if row["dtype"] == "float64" else "<i8", int(np.prod(row["shape"])), row["offset"]
            ).reshape(row["shape"])
            for row in arrays.table
        }

    def energies(self, vectors: np.ndarray, edges: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """Node energies heads×N (eV) of edges 2×E (sender, receiver) with vectors E×3 (Å) between elements N."""
        sender, receiver = edges
        ends = elements[sender], elements[receiver]
        r = np.linalg.norm(vectors, axis=1)
        harmonics = self.harmonics(vectors / r[:, None])
        basis, cutoff = self.radial_basis(r, *ends)
        energy = self.scale()[:, None] * np.bincount(receiver, self.repulsion(r, *ends), len(elements))
        features: np.ndarray | None = None
        for layer in self.document["layers"]:
            up, skip, residual = self.before(layer, features, elements)
            weights, density = self.radial_weights(layer["radial"], basis, cutoff, *ends)
            message = self.messages(layer, up[sender], harmonics, weights, receiver, len(elements))
            density = np.bincount(receiver, density, len(elements))
            mixed = self.mix(layer, message, density, residual, elements)
            features = (
                self.map(layer["out"], self.product(layer, mixed, elements), elements, layer["node_irreps"]) + skip
            )
            energy = energy + self.read_out(layer["readout"], features)
        return energy

    def scale(self) -> np.ndarray:
        """Of the repulsion, for each head."""
        own = self.document["repulsion"]
        if own is None:
            return np.zeros(1)
        return self.arrays[own["scale"]]

    def harmonics(self, unit: np.ndarray) -> np.ndarray:
        own = self.document["harmonics"]
        powers = unit[:, None, :] ** self.arrays[own["exponents"]][None, :, :]
        return powers.prod(axis=2) @ self.arrays[own["table"]]

    def radial_basis(self, r: np.ndarray, sender: np.ndarray, receiver: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = self.document["radial"]
        p, u = own["cutoff_power"], r / self.r_max
        envelope = 1 - u**p * ((p + 1) * (p + 2) / 2 - p * (p + 2) * u + p * (p + 1) / 2 * u * u)
        envelope = envelope * (u < 1)
        x = self.transformed(own["transform"], r, sender, receiver)[:, None]
        values = self.arrays[own["values"]]
        if own["basis"] == "bessel":
            basis = own["factor"] * np.sin(values * x) / x
        elif own["basis"] == "gaussian":
            basis = np.exp(own["factor"] * (x - values) ** 2)
        else:
            identity = np.eye(int(values.max()) + 1)
            basis = np.stack([np.polynomial.chebyshev.chebval(x[:, 0], identity[int(n)]) for n in values], axis=1)
        return (basis, envelope) if own["cutoff_apart"] else (basis * envelope[:, None], np.ones_like(r))

    def transformed(self, own: dict | None, r: np.ndarray, sender: np.ndarray, receiver: np.ndarray) -> np.ndarray:
        if own is None:
            return r
        radii = self.arrays[own["radii"]]
        r_0 = radii[sender] + radii[receiver]
        if own["kind"] == "agnesi":
            x = 2 * r / r_0
            return 1 / (1 + own["a"] * x ** own["q"] / (1 + x ** (own["q"] - own["p"])))
        low, high = 0.75 * r_0, 4 * r_0 / 3
        return low + (r - low) * 0.5 * (1 + np.tanh(own["alpha"] / (high - low) * (r - 0.5 * (low + high))))

    def repulsion(self, r: np.ndarray, sender: np.ndarray, receiver: np.ndarray) -> np.ndarray:
        own = self.document["repulsion"]
        if own is None:
            return np.zeros_like(r)
        pair = sender * round(np.sqrt(len(self.arrays[own["length"]]))) + receiver
        u, p = r / self.arrays[own["cutoff"]][pair], own["power"]
        rates = np.exp(r[:, None] / self.arrays[own["length"]][pair][:, None] * self.arrays[own["rates"]])
        envelope = 1 - u**p * ((p + 1) * (p + 2) / 2 - p * (p + 2) * u + p * (p + 1) / 2 * u * u)
        return 0.5 * self.arrays[own["strength"]][pair] / r * (rates @ self.arrays[own["weights"]]) * envelope * (u < 1)

    def before(
        self, layer: dict, features: np.ndarray | None, elements: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | float, np.ndarray | None]:
        gate = layer["mix"]["gate"]
        irreps = {"up": layer["up_irreps"], "skip": layer["node_irreps"], "residual": gate and gate["irreps"]}

        def of(part: str, x: np.ndarray | None) -> np.ndarray | None:
            if layer[part] is None:
                return None
            if features is None:
                return self.arrays[layer[part]][elements]
            return self.map(layer[part], x, elements, irreps[part])

        up = of("up", features)
        skip = of("skip", features)
        return up, 0.0 if skip is None else skip, of("residual", up)

    def radial_weights(self, own: dict, basis: np.ndarray, cutoff: np.ndarray, sender, receiver):
        x = basis
        if own["embeddings"] is not None:
            ends = own["embeddings"]
            x = np.hstack([x, self.arrays[ends["sender"]][sender], self.arrays[ends["receiver"]][receiver]])
        weights = self.network(own["weights"], x) * cutoff[:, None]
        if own["density"] is None:
            return weights, np.zeros(len(x))
        return weights, np.tanh(self.network(own["density"], x)[:, 0] ** 2) * cutoff

    def messages(self, layer: dict, up, harmonics, weights, receiver, count: int) -> np.ndarray:
        out = np.zeros((count, _width(layer["message_irreps"])))
        paths, entries = self.arrays[layer["paths"]], self.arrays[layer["entries"]]
        for (path, i, j, k), value in zip(entries, self.arrays[layer["values"]], strict=True):
            first, dim, channels, to, out_dim, weight = paths[path]
            x = up[:, first + i : first + channels * dim : dim]
            term = value * weights[:, weight : weight + channels] * x * harmonics[:, j : j + 1]
            np.add.at(out[:, to + k : to + channels * out_dim : out_dim], receiver, term)
        return out

    def mix(self, layer: dict, message, density, residual, elements) -> np.ndarray:
        own = layer["mix"]
        offset, factor = own["density"]
        gate = own["gate"]
        irreps = layer["feature_irreps"] if gate is None else gate["irreps"]
        mixed = self.map(own["map"], message, elements, irreps) / (offset + factor * density)[:, None]
        if gate is None:
            return mixed
        mixed = mixed + residual
        first, count = gate["scalars"]
        parts = [gate["factors"][0] * _ACTIVATIONS["silu"](mixed[:, first : first + count])]
        for start, gates, channels, dim in gate["gated"]:
            opened = gate["factors"][1] * _ACTIVATIONS["sigmoid"](mixed[:, gates : gates + channels])
            parts.append(mixed[:, start : start + channels * dim] * np.repeat(opened, dim, axis=1))
        return self.map(gate["map"], np.hstack(parts), elements, layer["feature_irreps"])

    def product(self, layer: dict, features: np.ndarray, elements: np.ndarray) -> np.ndarray:
        own = layer["product"]
        coefficients = self.arrays[own["coefficients"]]
        if len(coefficients) == 1:
            elements = np.zeros_like(elements)
        channels = layer["feature_irreps"][0][0]
        blocks, at = [np.ones((len(features), channels, 1))], 0
        for mul, dim in layer["feature_irreps"]:
            blocks.insert(-1, features[:, at : at + mul * dim].reshape(-1, mul, dim))
            at += mul * dim
        x = np.concatenate(blocks, axis=2)  # the last factor is one
        monomials = x[:, :, self.arrays[own["index"]]].prod(axis=3)
        dims = self.arrays[own["dims"]]
        out = np.zeros((len(features), channels, int(dims.sum())))
        terms = coefficients[elements].transpose(0, 2, 1) * monomials
        for t, row in enumerate(self.arrays[own["out"]]):
            out[:, :, row] += terms[:, :, t]
        ends = np.cumsum(dims)
        return np.hstack([out[:, :, e - d : e].reshape(len(features), -1) for d, e in zip(dims, ends, strict=True)])

    def map(self, own: dict, x: np.ndarray, elements: np.ndarray, irreps_out: list) -> np.ndarray:
        weights = self.arrays[own["weights"]]
        out, at = np.zeros((len(x), _width(irreps_out))), 0
        for first, mul, to, out_mul, dim in own["blocks"]:
            matrix = weights[:, at : at + mul * out_mul].reshape(-1, mul, out_mul)
            at += mul * out_mul
            chosen = matrix[elements if len(matrix) > 1 else np.zeros_like(elements)]
            part = x[:, first : first + mul * dim].reshape(-1, mul, dim)
            out[:, to : to + out_mul * dim] += np.einsum("nud,nuv->nvd", part, chosen).reshape(len(x), -1)
        return out if own["constant"] is None else out + self.arrays[own["constant"]]

    def read_out(self, own: dict | None, features: np.ndarray) -> np.ndarray | float:
        if own is None:
            return 0.0
        return self.network(own["steps"], features[:, self.arrays[own["columns"]]]).T

    def network(self, steps: list[dict], x: np.ndarray) -> np.ndarray:
        for step in steps:
            x = x @ self.arrays[step["weight"]]
            if step["bias"] is not None:
                x = x + self.arrays[step["bias"]]
            if step["gain"] is not None:
                x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + step["epsilon"])
                x = x * self.arrays[step["gain"]] + self.arrays[step["offset"]]
            x = step["factor"] * _ACTIVATIONS[step["activation"]](x)
        return x
