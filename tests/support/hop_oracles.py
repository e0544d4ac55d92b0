"""Plain-numpy p_hop and hop detection, written out from the definition; they use none of the package."""

import numpy as np


def p_hop(r: np.ndarray, window: int) -> np.ndarray:
    """(T, N) p_hop at each sample that begins a newer half; NaN where the window is not full. `r` is (T, N, 3)."""
    p = np.full(r.shape[:2], np.nan)
    for t in range(window, len(r) - window + 1):
        a, b = r[t - window : t], r[t : t + window]
        of_a = ((a - b.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0)
        of_b = ((b - a.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0)
        p[t] = np.sqrt(of_a * of_b)
    return p


def peaks(p: np.ndarray, window: int, threshold: float, release: float) -> list[int]:
    """Samples of the largest p of each excursion of one atom: above `threshold`, until below `release` or until the
    peak is `window` samples old. A largest p that is the first or last one is no maximum that was seen."""
    found, best = [], None
    centers = np.flatnonzero(np.isfinite(p))
    for t in centers:
        if best is not None and (p[t] < release or t - best >= window):
            found.append(best)
            best = None
        if (best is None and p[t] > threshold) or (best is not None and p[t] > p[best]):
            best = t
    found += [best] if best is not None else []
    return [t for t in found if t not in (centers[0], centers[-1])]


def hops(r, window, threshold, release, min_length, return_within) -> list[tuple]:
    """(sample, atom, from, to, p, waiting, returned), ordered by sample and atom, from positions (T, N, 3)."""
    p = p_hop(r, window)
    found = []
    for i in range(r.shape[1]):
        sites, last = [], None
        for t in peaks(p[:, i], window, threshold, release):
            start, end = r[t - window : t, i].mean(axis=0), r[t : t + window, i].mean(axis=0)
            length = np.linalg.norm(end - start)
            if length <= min_length:
                continue
            back = any(t - left <= return_within and np.linalg.norm(end - s) < length / 2 for s, left in sites[-4:])
            found.append((t, i, start, end, p[t, i], -1 if last is None else t - last, back))
            sites.append((start, t))
            last = t
    return sorted(found, key=lambda hop: hop[:2])
