"""Play a step of the user's a few times, and leave everything as it was."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from ...backend import Array
from .kept import Kept
from .linking import link
from .parts import Part
from .recording import Recorder, Recording

NAMES = {
    "G": ("g", "gen", "generator", "netg", "g_net"),
    "D": ("d", "disc", "discriminator", "critic", "netd", "d_net"),
    "x": ("x", "x_batch", "batch_x", "batch", "xb", "real", "reals", "real_batch", "data",
          "real_data", "image", "images", "img", "imgs", "x_real", "real_x", "real_image",
          "real_images", "real_img", "real_imgs", "real_samples", "samples", "inputs", "minibatch"),
    "z": ("z", "z_batch", "batch_z", "noise", "noises", "latent", "latents", "zb"),
    "y": ("y", "y_batch", "batch_y", "labels", "label", "classes", "targets"),
}  # fmt: skip
COUNTERS = ("t", "step", "steps", "iteration", "iterations", "n_steps", "step_count", "it")
MOST = 12  # calls of the step, until both players have moved


class Play:
    """A step of the user's, with what it needs.

    Parameters
    ----------
    step : callable
        Its arguments are found by their names: G, D, x, z, y, and the usual other names of these.
        Without arguments it takes everything from its surroundings.
    G, D : object
    x, labels : array or None
        Data, from which each call gets another minibatch.
    batch_size, latent_dim : int or None
    """

    def __init__(
        self, step: Callable[..., Any], G: Any, D: Any, x: Any, labels: Any,
        batch_size: int, latent_dim: int | None, seed: int,
    ) -> None:  # fmt: skip
        self.step, self.x, self.labels, self.batch_size = step, x, labels, batch_size
        self.latent_dim = latent_dim or getattr(G, "n_in", None)
        self.seed = seed
        self.given = {"G": G, "D": D}
        self.parts = [Part("G", G), Part("D", D)]
        self.wanted = _wanted(step)
        self.age = 0  # calls of the step that were played before, as far as that is known
        self._check()

    @property
    def gets_data(self) -> bool:
        """Whether the step is handed its minibatch."""
        return "x" in self.wanted

    @property
    def gets_noise(self) -> bool:
        """Whether the step is handed its noise."""
        return "z" in self.wanted

    def record(self, least: int, other_d: bool = False, turned: bool = False) -> Recording:
        """Play at least `least` calls, and more until both players have moved; restore all.

        With `other_d` D begins with other parameters, with `turned` D goes backward with the
        opposite gradient of its outputs; then no more than `least` calls are played.
        """
        kept = Kept(self.step, *self.given.values())
        try:
            if not all(part.is_ours for part in self.parts):
                self._find_parameters(kept)
            if other_d:
                params = self.parts[1].params()
                self.parts[1].set_params(
                    params * np.random.default_rng(self.seed).uniform(-1.5, 1.5, params.size)
                )
            self.age = max([self.age, *_counters(kept.objects)])
            recorder = Recorder(self.parts, kept.objects, turned)
            with recorder.watching():
                for i in range(MOST):
                    recorder.play = i
                    self._call(i)
                    recorder.look()
                    moved = {u.part for u in recorder.recording.updates}
                    if i + 1 >= least and (other_d or turned or moved == {"G", "D"}):
                        break
        finally:
            kept.restore()
        link(recorder.recording)
        return recorder.recording

    def restoring(self) -> Kept:
        """Return the state of now, for what moves it afterwards."""
        return Kept(self.step, *self.given.values())

    def _find_parameters(self, kept: Kept) -> None:
        """Play once, to see inputs, and find which arrays move the outputs of the networks."""
        recorder = Recorder(self.parts, kept.objects)
        with recorder.watching():
            self._call(0)
        kept.restore()
        for part in self.parts:
            seen = [p for p in recorder.recording.passes if p.part == part.name]
            if seen and not part.is_ours:
                part.narrow(seen[0].x)
        kept.restore()

    def _call(self, i: int) -> None:
        random = np.random.default_rng([self.seed, i])
        options: dict[str, Any] = dict(self.given)
        n = self.batch_size
        if self.gets_data or "y" in self.wanted:
            rows = random.choice(len(self.x), n, replace=n > len(self.x))
            options["x"] = self.x[rows]
            options["y"] = None if self.labels is None else self.labels[rows]
        if self.gets_noise:
            z = random.standard_normal((n, self.latent_dim or 0))
            options["z"] = z.astype(self._dtype())
        with contextlib.redirect_stdout(io.StringIO()):
            self.step(*(options[name] for name in self.wanted))

    def _dtype(self) -> Any:
        return getattr(self.given["G"], "dtype", np.asarray(self.x).dtype)

    def _check(self) -> None:
        if self.x is not None and not np.isfinite(self.x).all():
            raise ValueError("x has values that are NaN or infinite: remove those samples")
        if self.gets_data and self.x is None:
            raise ValueError(
                "step takes a minibatch of data: pass x, an array of shape (N, features)"
            )
        if self.gets_noise and self.latent_dim is None:
            raise ValueError("step takes noise, and G does not say of which width: pass latent_dim")
        if "y" in self.wanted and self.labels is None:
            raise ValueError("step takes labels: pass labels, one for each row of x")
        for part in self.parts:
            if not part.params().size:
                raise ValueError(
                    f"{part.name} must be a Sequential, or an object that holds its parameters in "
                    f"NumPy arrays of floats, got {type(part.network).__name__}"
                )


def _counters(objects: list[Any]) -> list[int]:
    """Return what objects, such as optimizers, have counted of their steps."""
    found = []
    for value in objects:
        names = getattr(value, "__dict__", {})
        for holder in (names, names.get("state"), value):
            if not isinstance(holder, dict):
                continue
            for name in COUNTERS:
                count = holder.get(name)
                if isinstance(count, (int, np.integer)):
                    found.append(int(count))
                elif isinstance(count, np.ndarray) and count.dtype.kind in "iu" and count.size == 1:
                    found.append(int(count.ravel()[0]))
    return found


def _wanted(step: Callable[..., Any]) -> list[str]:
    """Return what each argument of a step is for: "G", "D", "x", "z", "y"."""
    wanted = []
    for name, parameter in inspect.signature(step).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        found = next((key for key, names in NAMES.items() if name.lower() in names), None)
        if found is not None and parameter.kind is not parameter.KEYWORD_ONLY:
            wanted.append(found)
        elif parameter.default is parameter.empty:
            raise ValueError(
                f"step has an argument {name!r} that diagnose cannot fill: name its arguments G, "
                "D, x (a minibatch of data), z (noise) and y (labels), or give it none and let it "
                "use variables around it"
            )
        else:
            break
    return wanted


def as_rows(x: Any) -> Array:
    """Return an array with one flat row for a sample."""
    rows: Array = np.asarray(x).reshape(len(x), -1)
    return rows
