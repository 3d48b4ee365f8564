"""Where the networks run: device, number format, memory, and what to do when memory runs out."""

from __future__ import annotations

import enum
import gc
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..base.errors import InsufficientMemoryError, UsageError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class Precision(enum.StrEnum):
    """Number format of the networks' arithmetic; sums over passes are always float32."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BF16 = "bf16"


def available_devices() -> tuple[str, ...]:
    """Names of the devices torch can use here, the fastest first; "cpu" is always the last."""
    import torch

    found = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name`` ("auto", "cpu", "cuda", "cuda:1", "mps").

    "auto" takes a CUDA GPU, else Apple's, else the CPU. Raises UsageError, naming the devices found,
    for any other name or a device this machine lacks.
    """
    import torch

    found = available_devices()
    if name == "auto":
        return torch.device(found[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in found:
        raise UsageError(f"device '{name}' is not available; use auto or one of: {', '.join(found)}")
    return torch.device(wanted)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """torch.bfloat16 or torch.float32 for the option ``name`` (a value of :class:`Precision`).

    "auto" takes bfloat16 where the hardware gains by it: an NVIDIA GPU from Ampere on, a processor with AMX.
    AVX512-BF16 alone computes at half the rate of float32. Raises UsageError for an unknown name.
    """
    import torch

    try:
        precision = Precision(name)
    except ValueError:
        raise UsageError(f"precision '{name}' is unknown; use one of: {', '.join(Precision)}") from None
    if precision is Precision.AUTO:
        precision = Precision.BF16 if _gains_by_bf16(device) else Precision.FLOAT32
    return torch.bfloat16 if precision is Precision.BF16 else torch.float32


def _gains_by_bf16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        abilities = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(abilities.get("amx_bf16"))
    return False


def describe(device: torch.device) -> str:
    """The device for people: "cuda:0 (NVIDIA A40)", "cpu (x86_64, 8 threads)"."""
    import torch

    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.machine()}, {torch.get_num_threads()} threads)"


def peak_memory_mb() -> float:
    """Largest memory this process has held so far, in MB; 0 where the system (Windows) does not tell."""
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def peak_gpu_memory_mb(device: torch.device) -> float:
    """Largest memory torch has held on ``device`` so far, in MB; 0 for a device other than CUDA."""
    import torch

    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else 0.0


def is_out_of_memory(error: BaseException) -> bool:
    """True for the ways numpy, torch's CPU allocator, CUDA and MPS say that memory has run out."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    signs = ("out of memory", "DefaultCPUAllocator", "not enough memory", "bad_alloc")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def with_less_memory(
    run: Callable[[torch.device, int], T],
    device: torch.device,
    batch_pixels: int,
    least_pixels: int,
    warn: Callable[[str], None],
) -> T:
    """Call ``run(device, batch_pixels)``; when memory runs out, halve the batch, then go to the CPU.

    ``batch_pixels`` is the most pixels in one forward pass, ``least_pixels`` the size of the smallest
    batch there is. ``run`` starts afresh each time; ``warn`` gets one line per retreat. Raises
    InsufficientMemoryError when the smallest batch fails on the CPU too.
    """
    import torch

    pixels = batch_pixels
    while True:
        try:
            return run(device, pixels)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler: the error's traceback would keep the tensors of the failed try alive.
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if pixels > least_pixels:
            pixels = max(pixels // 2, least_pixels)
            warn(f"out of memory on {device}: repeated with batches of at most {pixels} pixels")
        elif device.type != "cpu":
            warn(f"out of memory on {device} even with the smallest batch: repeated on the CPU")
            device, pixels = torch.device("cpu"), batch_pixels
        else:
            raise InsufficientMemoryError(
                "out of memory on the CPU even with the smallest batch; close other programs or use a "
                "machine with more memory"
            )
