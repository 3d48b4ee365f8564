"""Threads that share a machine: waiting ones sleep, the user's own settings stay."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from CardiacUQLib.base.threads import use_threads, wait_politely

POLITE = ("OMP_WAIT_POLICY", "KMP_BLOCKTIME", "OPENBLAS_NUM_THREADS")
TOLD = (
    f"import os, sys; POLITE = {POLITE!r}; "
    "print(*(os.environ[name] for name in POLITE), 'torch' in sys.modules)"
)


def test_what_the_user_has_set_stays() -> None:
    mine = {"OMP_WAIT_POLICY": "ACTIVE"}
    wait_politely(mine)
    assert mine == {"OMP_WAIT_POLICY": "ACTIVE", "KMP_BLOCKTIME": "0", "OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    "entrance",
    [
        "from CardiacUQTraining.cli.app import main; main(['models'])",
        "from CardiacUQLib.__main__ import main; main(['--input', 'none'])",
    ],
)
def test_every_entrance_asks_for_it_before_torch_loads(entrance: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in POLITE}
    done = subprocess.run(
        [sys.executable, "-c", f"{entrance}; {TOLD}"],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "PASSIVE 0 1 False"


def test_a_number_of_threads_holds_for_this_process_and_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    before = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    try:
        use_threads(0)
        assert os.environ["OMP_NUM_THREADS"] == "7"
        use_threads(2)
        assert (os.environ["OMP_NUM_THREADS"], torch.get_num_threads()) == ("2", 2)
    finally:
        torch.set_num_threads(before)
