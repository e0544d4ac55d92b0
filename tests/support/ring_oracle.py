"""Rings found the slow way, from plain dictionaries: every simple cycle of the cover, judged by the definitions.

A graph is {site: [(site, shift), ...]}; a vertex of its cover is (site, shift); a ring is the tuple of its vertices in
the form that the library's member lists have.
"""

import itertools
from collections import defaultdict


def moved(vertex, shift):
    return vertex[0], tuple(a + b for a, b in zip(vertex[1], shift))


def bonded(graph, vertex):
    return [moved(to, vertex[1]) for to in graph[vertex[0]]]


def canonical(ring):
    """From the lowest vertex, which comes to lie in cell 0, on to the lower of its two neighbors."""
    start = ring.index(min(ring))
    home = tuple(-a for a in ring[start][1])
    turned = [moved(vertex, home) for vertex in ring[start:] + ring[:start]]
    return tuple(turned) if turned[1] <= turned[-1] else (turned[0], *reversed(turned[1:]))


def distances(graph, start, most, without=lambda a, b: False):
    """Bonds from the start, up to `most`; `without(a, b)` names bonds that do not count."""
    found, layer = {start: 0}, [start]
    for distance in range(1, most + 1):
        layer = list({b for a in layer for b in bonded(graph, a) if b not in found and not without(a, b)})
        found.update(dict.fromkeys(layer, distance))
    return found


def simple_cycles(graph, max_size):
    """Every closed walk without repetition, once, images of one left out."""
    cycles = set()
    for site in graph:
        root = (site, (0, 0, 0))
        way_home = distances(graph, root, max_size // 2 + 1)

        def extend(path):
            for vertex in bonded(graph, path[-1]):
                if vertex == root and len(path) > 2:
                    cycles.add(canonical(list(path)))
                elif vertex > root and vertex not in path and len(path) + way_home.get(vertex, max_size) <= max_size:
                    extend([*path, vertex])

        extend([root])
    return cycles


def primitive(graph, max_size):
    rings = set()
    for ring in simple_cycles(graph, max_size):
        n = len(ring)
        reach = [distances(graph, vertex, n // 2) for vertex in ring]
        along = ((a, b, min((b - a) % n, (a - b) % n)) for a, b in itertools.combinations(range(n), 2))
        if all(reach[a].get(ring[b]) == way for a, b, way in along):
            rings.add(ring)
    return rings


def shortest_paths(graph, start, end, most, without):
    """All of them; empty where none has at most `most` bonds."""
    away = distances(graph, start, most, without)
    if end not in away:
        return []
    paths = [[end]]
    for distance in range(away[end] - 1, -1, -1):
        paths = [
            [*path, b]
            for path in paths
            for b in bonded(graph, path[-1])
            if away.get(b) == distance and not without(b, path[-1])
        ]
    return paths


def king(graph, max_size, rule):
    """Rings, and per size of the shortest ring the number of pairs of neighbors that have one."""
    rings, searches = set(), defaultdict(int)
    for site in graph:
        center = (site, (0, 0, 0))
        spokes = bonded(graph, center)
        for a, b in itertools.combinations(spokes, 2):
            closed = {center} | (set(spokes) - {a, b} if rule == "excluded" else set())
            paths = shortest_paths(
                graph, a, b, max_size - 2, without=lambda p, q, closed=closed: p in closed or q in closed
            )
            if paths:
                searches[len(paths[0]) + 1] += 1
            rings |= {canonical([center, *path]) for path in paths}
    return rings, dict(searches)


def guttman(graph, max_size):
    """Rings, and per size of the shortest ring the number of directed bonds that have one."""
    rings, searches = set(), defaultdict(int)
    for site in graph:
        a = (site, (0, 0, 0))
        for b in bonded(graph, a):
            paths = shortest_paths(graph, a, b, max_size - 1, without=lambda p, q, bond={a, b}: {p, q} == bond)
            if paths:
                searches[len(paths[0])] += 1
            rings |= {canonical(path) for path in paths}
    return rings, dict(searches)


def edges(ring):
    return frozenset(frozenset(pair) for pair in zip(ring, (*ring[1:], ring[0])))


def in_span(target, sets):
    """Whether a set is a sum, modulo 2, of others."""
    basis = {}

    def reduced(rest):
        while rest and max(rest, key=sorted) in basis:
            rest = rest ^ basis[max(rest, key=sorted)]
        return rest

    for one in sets:
        rest = reduced(one)
        if rest:
            basis[max(rest, key=sorted)] = rest
    return not reduced(target)


def strong(graph, max_size, reach, candidates=primitive):
    """Rings that are no sum of smaller candidates within `reach` bonds of them."""
    rings = primitive(graph, max_size)
    pool = candidates(graph, max_size)
    return {ring for ring in rings if not in_span(edges(ring), list(_near(graph, ring, pool, reach)))}


def _near(graph, ring, pool, reach):
    around = set().union(*(distances(graph, vertex, reach) for vertex in ring))
    by_site = defaultdict(list)
    for other in pool:
        if len(other) < len(ring):
            by_site[other[0][0]].append(other)
    for vertex in around:
        for other in by_site[vertex[0]]:
            image = [moved(member, vertex[1]) for member in other]
            if set(image) <= around:
                yield edges(tuple(image))
