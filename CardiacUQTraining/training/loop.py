"""The training loop of one stage: visible, resumable at every step, stoppable at any time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, cast

import torch
from lightning_fabric import Fabric
from torch import Generator, Tensor, nn

from CardiacUQLib.networks.supervision import DeeplySupervised

from .checkpoint import StageProgress, load_checkpoint, load_weights, save_checkpoint, save_weights
from .journal import TrainingLog
from .optimisation import AveragedWeights, learning_rate, make_optimiser
from .ranks import Ranks
from .recipe import TrainingRecipe
from .sharing import SharedNetwork

CHECKPOINT_SECONDS = 60.0


class EveryLevel(nn.Module):
    """A deeply supervised network that gives the logits of its finest levels, full resolution first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        """See :meth:`CardiacUQLib.networks.supervision.DeeplySupervised.deep`."""
        return cast(DeeplySupervised, self.network).deep(*inputs)


class StageData(Protocol):
    """What a stage learns from; see the ``*_data`` modules."""

    def epoch(self, generator: Generator) -> Tensor:
        """Sample numbers of one epoch in random order, int64."""
        ...

    def loss(
        self, network: nn.Module, samples: Tensor, generator: Generator, epoch: int, own: slice
    ) -> Tensor:
        """Loss of the network on these samples, augmented; a deeply supervised one gives all levels.

        Only images of the samples ``own`` are shown to the network here, the others on other ranks.
        """
        ...

    def validate(self, network: nn.Module) -> float:
        """Mean Dice over the validation cases and foreground classes."""
        ...


@dataclass
class StopRequest:
    """Why and when to stop: a deadline on the monotonic clock, or a signal that came in."""

    deadline: float | None = None
    signalled: bool = False

    def __bool__(self) -> bool:
        return self.signalled or (self.deadline is not None and time.monotonic() >= self.deadline)

    def agreed(self, ranks: Ranks) -> bool:
        """Whether any rank wants to stop; a signal to one of them counts as one to all."""
        asked = ranks.largest(int(bool(self)) + int(self.signalled))
        if asked > 1:  # never the other way: a signal may have come while the ranks were asked
            self.signalled = True
        return asked > 0

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within this block SIGINT and SIGTERM ask for a stop instead of killing; a second one kills."""

        def note(number: int, frame: FrameType | None) -> None:
            self.signalled = True
            signal.signal(number, before[number])

        before: dict[int, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class StageJob:
    """One network to train: where its files go and which random numbers it uses."""

    name: str
    fold: int
    recipe: TrainingRecipe
    folder: Path
    seed: int

    @property
    def checkpoint(self) -> Path:
        """State to resume from."""
        return self.folder / "checkpoint.safetensors"

    @property
    def final(self) -> Path:
        """Weights to be used once the stage is finished."""
        return self.folder / "final.safetensors"

    def generator(self, *position: int) -> Generator:
        """Random numbers that depend only on the job and the position in it (epoch, step)."""
        value = self.seed
        for part in (self.fold, *map(ord, self.name[-2:]), *position):
            value = (value * 1_000_003 + part + 1) % (2**63 - 1)
        return Generator().manual_seed(value)


ReportEpoch = Callable[[StageJob, dict[str, float]], None]
ReportStep = Callable[[StageJob, int, int], None]
"""Told how many of how many steps of a stage are done."""


def unwatched(job: StageJob, step: int, total: int) -> None:
    """Nobody looks."""


def train_stage(
    fabric: Fabric,
    job: StageJob,
    network: nn.Module,
    data: StageData,
    stop: StopRequest,
    report: ReportEpoch,
    tick: ReportStep = unwatched,
) -> bool:
    """Train until the recipe is fulfilled (True) or a stop is asked for (False, everything saved).

    Every random number comes from the step number, so an interrupted and resumed training ends with
    the same weights as an uninterrupted one on the same device. Several ranks share every batch and
    follow the loss curve of one process; only rank 0 writes and validates.
    """
    recipe, ranks = job.recipe, Ranks(fabric)
    shared = network if ranks.count == 1 else SharedNetwork(network, ranks)
    optimiser = make_optimiser(network, recipe.optimiser)
    # Fabric's precision holds for calls of the module alone, not for other methods of it
    trained, optimiser = fabric.setup(EveryLevel(shared) if hasattr(network, "deep") else shared, optimiser)
    shown = trained.module if recipe.full_precision else trained
    average = AveragedWeights(network, recipe.ema)
    progress = StageProgress()
    if ranks.agree(job.checkpoint.exists):
        progress = load_checkpoint(job.checkpoint, network, average, optimiser)
    order = data.epoch(job.generator(0))
    steps = max(1, len(order) // recipe.batch)
    total = steps * recipe.epochs
    log = TrainingLog(job.folder, progress.step) if ranks.leads else None
    order = data.epoch(job.generator(progress.step // steps))
    began, clock = progress.step, time.monotonic()
    saved = clock
    while progress.step < total and not stop.agreed(ranks):
        epoch, within = divmod(progress.step, steps)
        if within == 0:
            order = data.epoch(job.generator(epoch))
        samples = order[within * recipe.batch : (within + 1) * recipe.batch]
        position = (progress.step, total, epoch)
        loss = _step(fabric, ranks, job, (trained, shown), optimiser, data, samples, position)
        average.update(network, progress.step)
        progress = replace(
            progress,
            step=progress.step + 1,
            loss_sum=progress.loss_sum + loss,
            loss_count=progress.loss_count + 1,
        )
        tick(job, progress.step, total)
        if progress.step % steps == 0 and log is not None:
            progress, row = _end_epoch(job, network, average, data, progress, epoch + 1)
            seconds = time.monotonic() - clock
            row["learning_rate"] = learning_rate(recipe.optimiser, progress.step, total)
            row["seconds"] = seconds
            row["samples_per_second"] = (progress.step - began) * recipe.batch / max(seconds, 1e-9)
            log.write(row)
            report(job, row)
        if progress.step % steps == 0:
            progress = replace(progress, loss_sum=0.0, loss_count=0)
            began, clock = progress.step, time.monotonic()
        if ranks.leads and time.monotonic() - saved > CHECKPOINT_SECONDS:
            save_checkpoint(job.checkpoint, network, average, optimiser, progress)
            saved = time.monotonic()
    if progress.step >= total and not progress.finished:
        progress = ranks.agree(lambda: _finish(job, average, progress))
    ranks.agree(lambda: save_checkpoint(job.checkpoint, network, average, optimiser, progress))
    return progress.finished


def _step(
    fabric: Fabric,
    ranks: Ranks,
    job: StageJob,
    network: tuple[nn.Module, nn.Module],
    optimiser: torch.optim.Optimizer,
    data: StageData,
    samples: Tensor,
    position: tuple[int, int, int],
) -> float:
    """One optimiser step; returns its loss. The network is given as Fabric knows it and as data see it."""
    step, total, epoch = position
    trained, shown = network
    generator = job.generator(epoch, step)
    torch.manual_seed(
        int(torch.randint(0, 2**31, (1,), generator=generator))
    )  # dropout draws from the global state
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(job.recipe.optimiser, step, total)
    trained.train()
    loss = data.loss(shown, samples, generator, epoch, ranks.shown(len(samples)))
    optimiser.zero_grad(set_to_none=True)
    fabric.backward(loss)
    ranks.sum_gradients(trained)
    fabric.clip_gradients(trained, optimiser, max_norm=job.recipe.optimiser.gradient_clip)
    optimiser.step()
    return float(loss.detach())


def _end_epoch(
    job: StageJob,
    network: nn.Module,
    average: AveragedWeights,
    data: StageData,
    progress: StageProgress,
    epoch: int,
) -> tuple[StageProgress, dict[str, float]]:
    """Validate when it is due and keep the best weights."""
    mean_loss = progress.loss_sum / progress.loss_count
    row: dict[str, float] = {"epoch": epoch, "step": progress.step, "loss": mean_loss}
    if epoch % job.recipe.validate_every == 0 or epoch == job.recipe.epochs:
        present = {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(average.weights)
        dice = data.validate(network)
        network.load_state_dict(present)
        row["validation_dice"] = dice
        if dice > progress.best_dice:
            progress = replace(progress, best_dice=dice)
            save_weights(average.weights, job.folder / "best.safetensors")
    return progress, row


def _finish(job: StageJob, average: AveragedWeights, progress: StageProgress) -> StageProgress:
    """Put the weights that the recipe keeps where the next stage and the export look for them."""
    best = job.folder / "best.safetensors"
    if job.recipe.keep == "best" and best.exists():
        save_weights(load_weights(best)[0], job.final)
    else:
        save_weights(average.weights, job.final)
    return replace(progress, finished=True)
