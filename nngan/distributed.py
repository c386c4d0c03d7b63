"""Data parallelism: each process plays its rows of every minibatch; the gradients are averaged.

A minibatch of N samples is cut into `shards` equal parts, and a loss is a mean over samples, so
that the gradient of a step is the mean of the shards' gradients. Every shard plays the steps of
`nngan.game.steps` as they are, with two differences: its backend has a `Shard`, which gives it its
rows of the data and of the random numbers, and its optimizers meet those of the other shards
before they move.

The mean is taken over a binary tree of the shards, whatever process plays them. So any number of
processes computes the same bits, if the number of shards is the same. Each process is handed
neighbouring shards, which are a whole branch of the tree.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from . import training
from .backend import Array, Backend, BackendUnavailable, Shard, array_module, on_host
from .backend.memory import keep_freed_memory
from .checks import one_line, positive_int
from .game import Game
from .game.game import AnyGame
from .gan import GAN
from .network import Sequential
from .optim import Optimizer
from .training.loop import make_step


class Alone(NamedTuple):
    """The communicator of a process that plays alone."""

    rank: int = 0
    size: int = 1

    def bcast(self, value: Any) -> Any:
        """Return the value of the first process, as in mpi4py."""
        return value


ALONE = Alone()


def world() -> Any:
    """Return MPI's communicator of all processes that mpiexec started, from mpi4py.

    Raises
    ------
    BackendUnavailable
        If mpi4py or MPI is missing, or mpi4py uses another MPI than that of mpiexec.
    """
    os.environ.setdefault("MPIR_CVAR_SUPPRESS_ABORT_MESSAGE", "1")  # nngan says why it ends
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # mpi4py warns of the mpiexec of another MPI
            from mpi4py import MPI
    except (ImportError, RuntimeError, RuntimeWarning) as error:
        raise BackendUnavailable(
            f"MPI cannot be used ({one_line(error)}): pip install mpi4py mpich brings mpi4py and "
            "an MPI with its own mpiexec"
        ) from error
    return MPI.COMM_WORLD


@contextlib.contextmanager
def ending_all(comm: Any) -> Iterator[None]:
    """End all processes if this one leaves the block by an exception: the others wait for it."""
    try:
        yield
    except BaseException as error:
        if comm.size > 1 and not isinstance(error, SystemExit):
            if not isinstance(error, KeyboardInterrupt):
                traceback.print_exc()
            comm.Abort(130 if isinstance(error, KeyboardInterrupt) else 1)
        raise


def check_shards(game: Game, batch_size: int, shards: int, size: int = 1) -> None:
    """Refuse a number of shards that does not fit the game, its minibatches or the processes.

    Raises
    ------
    ValueError
        If `shards` is no power of two, not a multiple of the number of processes, `size`, or does
        not cut a minibatch into equal parts of whole packs; or if a layer cannot be cut.
    """
    if size & (size - 1):
        raise ValueError(
            f"the number of processes must be a power of two, got {size}: start mpiexec with -n "
            f"{2 ** (size.bit_length() - 1)}"
        )
    if positive_int("shards", shards) & (shards - 1):
        raise ValueError(f"shards must be a power of two: they are added in pairs; got {shards}")
    if shards % size:
        raise ValueError(
            f"shards must be a multiple of the number of processes, {size}, got {shards}"
        )
    unit = shards * game.rules.pack
    if batch_size % unit:
        whole = f"shards={shards}" + (f" times pack={game.rules.pack}" if unit > shards else "")
        raise ValueError(f"batch_size must be a multiple of {whole}, got {batch_size}")
    for layer in (*game.G.leaves(), *game.D.leaves()):
        if shards > 1 and layer.couples_samples and not layer.averages_shards:
            raise ValueError(
                f"a minibatch cannot be cut into shards={shards}, because "
                f"{type(layer).__name__} couples its samples: use shards=1 (or, if it takes its "
                "means through self.backend.shard.mean, set averages_shards = True in it)"
            )


def fit(
    game: GAN,
    x: Array,
    epochs: int,
    batch_size: int = 128,
    *,
    shards: int = 1,
    comm: Any = ALONE,
    **options: Any,
) -> dict[str, list[float]]:
    """Train `game` as `nngan.training.fit` does, each step cut into `shards`.

    All processes call this with equal games and data, and end with equal games.

    Parameters
    ----------
    game : GAN
    x, epochs, batch_size
        Those of `nngan.training.fit`. `batch_size` is that of the whole minibatch.
    shards : int
        A power of two, and a multiple of the number of processes. It decides the last bits of the
        game; the number of processes does not.
    comm : communicator of mpi4py
        `world` returns it; if left out, this process plays alone.
    **options
        The other options of `nngan.training.fit`. The callbacks are those of this process, and
        must not change the game.

    Returns
    -------
    history : dict of str to list of float

    Raises
    ------
    ValueError
        As `check_shards` and `nngan.training.fit` do.
    TrainingDiverged
        In all processes, after the epoch in which a loss became NaN or infinite.
    """
    check_shards(game, positive_int("batch_size", batch_size), shards, comm.size)
    if shards > 1:
        options["maker"] = partial(sharded_step, Meeting(comm, shards))
    return training.fit(game, x, epochs, batch_size, **options)


class Meeting:
    """The place where shards meet: those of this process, in threads, and all others over MPI.

    The shards of a process take turns, so that products and compiled loops run one at a time.

    Parameters
    ----------
    comm : communicator
    shards : int
        Of all processes together.
    """

    def __init__(self, comm: Any, shards: int) -> None:
        self.comm, self.shards, self.here = comm, shards, shards // comm.size
        self.threads = ThreadPoolExecutor(self.here)
        self.turn = threading.Lock()
        self.barrier = threading.Barrier(self.here, self._meet)
        self.arrays: list[Any] = [None] * self.here
        self.then: Callable[[Array], None] | None
        self.result: Array

    def play(self, steps: Sequence[Callable[[], None]]) -> None:
        """Play one step of each shard of this process."""
        if self.here == 1:
            self._take_turns(steps[0])
            return
        # A thread has the context of this one: NumPy keeps in it which overflows are no error.
        jobs = [self.threads.submit(copy_context().run, self._take_turns, step) for step in steps]
        wait(jobs)
        errors = [error for job in jobs if (error := job.exception())]
        if errors:  # the first cause: the other shards find the barrier broken
            raise min(errors, key=lambda e: isinstance(e, threading.BrokenBarrierError))

    def _take_turns(self, step: Callable[[], None]) -> None:
        with self.turn:
            try:
                step()
            except BaseException:
                self.barrier.abort()  # the others would wait for ever
                raise

    def all_reduce_mean(
        self, place: int, array: Array, then: Callable[[Array], None] | None = None
    ) -> Array:
        """Return the mean of the arrays of all shards.

        Parameters
        ----------
        place : int
            The number of the shard in this process.
        array : array
            That of the shard.
        then : callable, optional
            It is called with the mean, once in each process, before any shard goes on.
        """
        self.arrays[place], self.then = array, then
        self.turn.release()
        try:
            self.barrier.wait()
        finally:
            self.turn.acquire()
        return self.result

    def _meet(self) -> None:
        branches = self.arrays
        while len(branches) > 1:
            branches = [a + b for a, b in zip(branches[::2], branches[1::2], strict=True)]
        self.result = self._over_processes(branches[0]) / self.shards
        if self.then is not None:
            self.then(self.result)

    def _over_processes(self, branch: Array) -> Array:
        """Return the sum of the branches of all processes: an all-reduce by recursive doubling."""
        if self.comm.size == 1:
            return branch
        ours = np.ascontiguousarray(on_host(branch))
        theirs = np.empty_like(ours)
        for level in range(self.comm.size.bit_length() - 1):
            other = self.comm.rank ^ (1 << level)
            self.comm.Sendrecv(ours, other, recvbuf=theirs, source=other)
            ours = ours + theirs  # both compute it: a + b and b + a are the same bits
        summed: Array = array_module(branch).asarray(ours)
        return summed


def sharded_step(
    meeting: Meeting, game: Game, data: Array, order: Array, batch_size: int, *arguments: Any
) -> Callable[[], None]:
    """Return the step of `game` that all shards play; the arguments are those of `make_step`."""
    keep_freed_memory()
    shards = [shard_of(game, meeting, place) for place in range(meeting.here)]
    steps = [make_step(shard, data, order, batch_size, *arguments) for shard in shards]

    def step() -> None:
        for shard in shards[1:]:
            shard.clock[...] = game.clock
        meeting.play(steps)

    return step


def shard_of(game: AnyGame, meeting: Meeting, place: int) -> AnyGame:
    """Return `game` as a shard plays it, with the same parameters.

    Gradients and clock are the shard's own, and so are the running averages of BatchNorm. Those of
    the first shard in a process are the game's.
    """
    mean = partial(meeting.all_reduce_mean, place)
    backend = copy.copy(game.backend)
    backend.shard = Shard(meeting.comm.rank * meeting.here + place, meeting.shards, mean)
    shard = copy.copy(game)
    networks = {name: network_of(getattr(game, name), backend, place) for name in ("G", "D")}
    vars(shard).update(
        networks,
        backend=backend,
        g_optimizer=DataParallelOptimizer(game.g_optimizer, networks["G"], mean),
        d_optimizer=DataParallelOptimizer(game.d_optimizer, networks["D"], mean),
        clock=game.clock if place == 0 else game.clock.copy(),
        G_ema=game.G_ema if place == 0 else None,
    )
    return shard


def network_of(network: Sequential, backend: Backend, place: int) -> Sequential:
    """Return the network of a shard, whose parameters are those of `network`."""
    own = copy.deepcopy(network)
    first = place == 0
    own.bind(network.params, network.grads if first else own.grads, backend)
    own.bind_buffers(network.buffers if first else own.buffers)
    return own


class DataParallelOptimizer:
    """An optimizer that moves with the mean gradient of all shards, once for all of a process."""

    def __init__(self, optimizer: Optimizer, network: Sequential, mean: Callable[..., Array]):
        self.optimizer, self.network, self.mean = optimizer, network, mean

    def step(self) -> None:
        """Wait for the gradients of the other shards, and move."""
        self.mean(self.network.grads, self._move)

    def _move(self, grads: Array) -> None:
        self.optimizer.network.grads[...] = grads
        self.optimizer.step()
