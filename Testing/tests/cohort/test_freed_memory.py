"""What a worker frees it can have again without asking the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from CardiacUQTraining.cohort.freed_memory import keep_freed_memory
{first}
np.ones(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(1 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str) -> int:
    """Pages that the system gives for 50 arrays of 8 MB, one after the other, as Dask starts workers."""
    environment = os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}
    code = FAULTS.format(first=first)
    return int(subprocess.check_output([sys.executable, "-c", code], env=environment, encoding="utf-8"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_kept() -> None:
    assert faults("") > 50 * faults("keep_freed_memory()")
