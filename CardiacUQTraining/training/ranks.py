"""The processes ("ranks") of one training: how they were launched, what they agree on, who writes.

Everything here does nothing at all for a training in one process.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, distributed, nn

from CardiacUQLib.base.errors import CardiacUQError, ExitCode, UsageError
from CardiacUQLib.inference.device import choose_precision

TIMEOUT = timedelta(minutes=15)
"""Longest wait for another rank: rank 0 validates alone while the others wait."""

Precision = Literal["32-true", "bf16-mixed"]
T = TypeVar("T")


class LostRankError(CardiacUQError):
    """Another process of the training ended or did not answer; the last checkpoint is whole."""

    exit_code = ExitCode.PARTIAL


class _ProcessGroup(DDPStrategy):
    """Fabric's launch and process group without the wrapper that averages gradients.

    The loss of a batch is no mean over its samples (Dice sums over the batch before it divides), so
    averages of the ranks' own losses would train something else; see :mod:`.sharing`.
    """

    def setup_module(self, module: nn.Module) -> Any:
        """The module as it is."""
        return module


@dataclass(frozen=True)
class Launch:
    """How many processes were started for this training, on how many nodes."""

    nodes: int = 1
    per_node: int = 1

    @classmethod
    def detect(cls) -> Launch:
        """What torchrun or srun says; one process without them. Raises UsageError for uneven nodes."""
        if distributed.is_available() and distributed.is_torchelastic_launched():
            total, per_node = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
        else:
            total = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
            per_node = -(-total // int(os.environ.get("SLURM_STEP_NUM_NODES", "1")))
            if total > 1 and "SLURM_NTASKS_PER_NODE" not in os.environ:
                raise UsageError("give srun (or sbatch) --ntasks-per-node beside --nodes, not --ntasks")
        if total % per_node:
            raise UsageError(f"{total} processes cannot be spread evenly, {per_node} on every node")
        return cls(total // per_node, per_node)


def useful_precision(asked: Precision, device: torch.device) -> Precision:
    """``asked``, or float32 where the device computes in bfloat16 no faster."""
    return asked if choose_precision("auto", device) is torch.bfloat16 else "32-true"


def launch_fabric(device: torch.device, precision: Precision) -> Fabric:
    """A launched Fabric for all processes that torchrun or srun started, or for this one alone.

    ``device`` is where this process would train alone; of several processes each takes the GPU of its
    own number on the node. Computes in float32 where "bf16-mixed" gains nothing, see
    :func:`CardiacUQLib.inference.device.choose_precision`. Raises UsageError, one line, where that cannot be,
    and LostRankError if the others do not come.
    """
    precision = useful_precision(precision, device)
    launch = Launch.detect()
    if launch == Launch():
        devices = 1 if device.index is None else [device.index]
        alone = LightningEnvironment()
        fabric = Fabric(accelerator=device.type, devices=devices, precision=precision, plugins=[alone])
    else:
        _check_devices(launch, device)
        try:
            fabric = Fabric(
                accelerator=device.type,
                devices=launch.per_node if device.type == "cpu" else list(range(launch.per_node)),
                num_nodes=launch.nodes,
                strategy=_ProcessGroup(timeout=TIMEOUT),
                precision=precision,
            )
        except (RuntimeError, ValueError) as error:  # Fabric checks SLURM's settings against its own
            raise UsageError(
                f"{launch.nodes} x {launch.per_node} processes: {str(error).splitlines()[0]}"
            ) from None
    with _talking():
        fabric.launch()
    if launch != Launch():
        atexit.register(_leave)
    return fabric


def _leave() -> None:
    """Close the process group while Python still runs: left to the end of the process, Gloo's threads
    sometimes abort it, and a finished training would count as failed."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _check_devices(launch: Launch, device: torch.device) -> None:
    if device.type == "mps":
        raise UsageError("several processes train on CUDA GPUs or on processors; add --device cpu")
    if device.type == "cuda" and (found := torch.cuda.device_count()) < launch.per_node:
        raise UsageError(
            f"{launch.per_node} processes were started on a node but each sees {found} GPUs; "
            "start one per GPU and let every process see all of them"
        )


class Ranks:
    """All processes of one training as one of them sees them."""

    def __init__(self, fabric: Fabric) -> None:
        self.count = fabric.world_size
        self.own = fabric.global_rank
        self._fabric = fabric

    @property
    def leads(self) -> bool:
        """Whether this is the one rank that writes files, validates and talks to the user."""
        return self.own == 0

    def share(self, count: int) -> slice:
        """Which of ``count`` samples are this rank's: one piece each, in order, of nearly equal size."""
        return slice(self.own * count // self.count, (self.own + 1) * count // self.count)

    def shown(self, count: int) -> slice:
        """The samples that this rank shows its network: its :meth:`share`, or the first where it has none."""
        own = self.share(count)
        return own if own.start < own.stop else slice(0, 1)

    def sum(self, tensor: Tensor) -> Tensor:
        """``tensor`` summed over all ranks, in place. Raises LostRankError."""
        if self.count > 1:
            with _talking():
                distributed.all_reduce(tensor)
        return tensor

    def largest(self, value: int) -> int:
        """The largest of all ranks' numbers. Raises LostRankError."""
        if self.count == 1:
            return value
        with _talking():
            held = torch.tensor(value, device=self._fabric.device)
            distributed.all_reduce(held, distributed.ReduceOp.MAX)
            return int(held)

    def sum_gradients(self, network: nn.Module) -> None:
        """Every gradient summed over all ranks, in one message. Raises LostRankError."""
        if self.count == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = self.sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def agree(self, ask: Callable[[], T]) -> T:
        """The answer of rank 0, on all ranks; only rank 0 asks.

        An expected error is raised there and ends the others with the same exit code and no second
        message. Raises LostRankError.
        """
        if self.count == 1:
            return ask()
        answer: Any = None
        failed: CardiacUQError | None = None
        if self.leads:
            try:
                answer = ask()
            except CardiacUQError as error:
                failed = error
        with _talking():
            code, answer = self._fabric.broadcast((0 if failed is None else int(failed.exit_code), answer))
        if failed is not None:
            raise failed
        if code:
            raise SystemExit(code)
        return answer


@contextmanager
def _talking() -> Iterator[None]:
    """Only messages between ranks happen in this block, so that any failure is one of them."""
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(
            f"another process of this training ended or did not answer ({str(error).splitlines()[0]}); "
            "go on from the last checkpoint with --resume"
        ) from error
