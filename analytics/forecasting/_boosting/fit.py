"""What was learned, as data: bytes of arrays and a manifest, nothing that runs, the same for the same fit."""

import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from analytics.forecasting._boosting import network
from analytics.forecasting._boosting.blocks import FOLDS
from analytics.forecasting._boosting.network import Network
from analytics.forecasting._boosting.trees import NODE, Nodes
from analytics.skill import Array

LEADS = (1, 2, 3, 6, 12, 18, 24, 36, 48, 72)
#: Bytes of a fit, unpacked.
_LARGEST = 200_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How it learns; the manifest of a fit has it."""

    rounds: int = 200
    rate: float = 0.07
    leaves: int = 31
    least: int = 60
    columns: float = 0.3
    bins: int = 63  # of a column, as which trees see it
    decay: float = 5.0
    loss: str = "absolute_error"
    rows: int = 250_000
    tree_rows: int = 80_000  # of these; a network learns of all in seconds
    seed: int = 7
    block: int = 28 * 24  # hours
    hidden: tuple[int, ...] = (96, 48)
    epochs: int = 3
    networks: int = 4
    pull: float = 0.2  # of its standard deviation: what lies farther off pulls a network no harder
    leads: tuple[int, ...] = LEADS


@dataclass(frozen=True, slots=True)
class Fit:
    """What was learned: `trees` by lead and fold, `networks` by fold and of all, the share of both, and from what."""

    manifest: Mapping[str, Any]
    start: Array  # [leads, folds]
    trees: tuple[tuple[tuple[Nodes, ...], ...], ...]
    networks: tuple[tuple[Network, ...], ...]
    trust: Array  # [leads, 2]: the shares of trees and network in what is added to the anchor

    @property
    def until(self) -> datetime:
        """The first hour it knows nothing of."""
        return datetime.fromisoformat(self.manifest["until"])


def shape_of(manifest: Mapping[str, Any]) -> Shape:
    """How the fit of a manifest was made, to make it again; one of before bins were chosen has as many as can be."""
    found = {field.name: {"bins": 255, **manifest}[field.name] for field in fields(Shape)}
    return Shape(**{**found, "leads": tuple(found["leads"]), "hidden": tuple(found["hidden"])})


def pack(fit: Fit) -> bytes:
    """The bytes of a fit."""
    counts = [[[len(nodes) for nodes in fold] for fold in lead] for lead in fit.trees]
    said = json.dumps({**fit.manifest, "nodes": counts}, sort_keys=True).encode()
    every = np.concatenate([nodes for lead in fit.trees for fold in lead for nodes in fold])
    with io.BytesIO() as out:
        weights = np.array([[network.flat(one) for one in fold] for fold in fit.networks])
        for part in (np.frombuffer(said, np.uint8), fit.start, fit.trust, every.view(np.uint8), weights):
            np.save(out, part, allow_pickle=False)
        return zlib.compress(out.getvalue(), 6)


def unpack(blob: bytes) -> Fit:
    """The fit of bytes that `pack` gave. Raises `ValueError` where they are not: no tree of it runs in a circle, leaves
    its array or reads a column that is not there."""
    try:
        return _unpacked(blob)
    except (
        zlib.error,
        EOFError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        MemoryError,
        UnicodeDecodeError,
    ) as problem:
        raise ValueError(f"not a fit: {problem}") from problem


def _unpacked(blob: bytes) -> Fit:
    loose = zlib.decompressobj()
    source = io.BytesIO(loose.decompress(blob, _LARGEST))
    if not loose.eof:
        raise ValueError("not a fit: it is cut, or too large")
    said, start, trust, flat, weights = (np.lib.format.read_array(source, allow_pickle=False) for _ in range(5))
    manifest = json.loads(said.tobytes())
    every = np.frombuffer(flat.tobytes(), dtype=NODE)
    counts, trees, at = manifest.pop("nodes"), [], 0
    for lead in counts:
        folds = []
        for fold in lead:
            if not all(isinstance(size, int) and size > 0 for size in fold):
                raise ValueError("not a fit: a tree has no nodes")
            ends = at + np.cumsum([0, *fold])
            folds.append(tuple(every[a:b] for a, b in pairwise(ends)))
            at = int(ends[-1])
        trees.append(tuple(folds))
    networks = tuple(tuple(network.built(row, manifest["widths"]) for row in fold) for fold in weights)
    fit = Fit(manifest, start, tuple(trees), networks, trust)
    _sound(fit, at == len(every))
    return fit


def _sound(fit: Fit, whole: bool) -> None:
    """Nothing. Raises `ValueError` where a fit could not be walked."""
    leads, columns = fit.manifest["leads"], fit.manifest["columns_read"]
    named = [name for key in ("beside", "ahead") for name in fit.manifest[key]]
    rising = fit.until.tzinfo is not None and shape_of(fit.manifest).leads == tuple(leads)
    rising &= isinstance(fit.manifest["block"], int) and fit.manifest["block"] > 0
    rising &= all(isinstance(name, str) for name in named)
    rising &= leads == sorted(set(leads)) and all(isinstance(lead, int) and lead > 0 for lead in leads)
    shapes = len(leads) == len(fit.trees) > 1 and all(len(folds) == FOLDS for folds in fit.trees)
    shapes &= (fit.start.shape, fit.trust.shape) == ((len(leads), FOLDS), (len(leads), 2))
    shapes &= len(fit.networks) == FOLDS + 1 and len(fit.networks[0]) > 0 and fit.manifest["widths"][-1] == len(leads)
    if not (whole and rising and shapes and np.isfinite(fit.start).all() and np.isfinite(fit.trust).all()):
        raise ValueError("not a fit: its arrays do not fit together")
    for nodes in (nodes for folds in fit.trees for fold in folds for nodes in fold):
        inner = np.flatnonzero(nodes["left"])
        some = nodes[inner]
        below = np.minimum(some["left"], some["right"]), np.maximum(some["left"], some["right"])
        good = (below[0] > inner) & (below[1] < len(nodes)) & (some["feature"] < columns)
        if not (good.all() and np.isfinite(nodes["value"]).all() and not np.isnan(nodes["line"]).any()):
            raise ValueError("not a fit: a tree leads nowhere")
