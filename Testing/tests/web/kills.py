"""Kill a server again and again while decisions pour in; prints what was answered and what the disk holds.

    python kills.py CASES KILLS

Each round forks a server from this process, which has everything loaded, and kills it with SIGKILL at a
random moment. ``answered`` is the revision of the last answer of a round, ``stored`` the number of events in
``review.json`` after it; the last line is JSON with both lists.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "lib"))

from serving import Served, serving

from CardiacUQLib.review import read_record

LONGEST_S = 0.25


def main(out: Path, kills: int) -> None:
    """Run the rounds on the first case below ``out``."""
    dice = random.Random(7)
    answered, stored = [], []
    for _ in range(kills):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            serve_until_killed(out, writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            address, token = json.loads(pipe.readline())
        begun = threading.Event()
        killer = threading.Thread(target=kill_later, args=(child, begun, dice.uniform(0.0, LONGEST_S)))
        killer.start()
        answered.append(decide_until_refused(Served(address, token), begun))
        begun.set()
        killer.join()
        os.waitpid(child, 0)
        stored.append(len(read_record(out / "ann").events) if (out / "ann" / "review.json").exists() else 0)
    print(json.dumps({"answered": answered, "stored": stored}))


def serve_until_killed(out: Path, pipe: int) -> None:
    """The child: a whole server, whose address goes through the pipe."""
    with serving(out) as server:
        os.write(pipe, (json.dumps([server.address, server.token]) + "\n").encode())
        time.sleep(60)
    os._exit(1)


def kill_later(child: int, begun: threading.Event, seconds: float) -> None:
    """End the child without warning, some time after its first answer."""
    begun.wait()
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)


def decide_until_refused(server: Served, begun: threading.Event) -> int:
    """Decide and paint as fast as it goes; the revision of the last answer, 0 without one."""
    revision = 0
    try:
        server.enter()
        about = server.json("/api/cases/0")
        keys = [item["key"] for item in about["items"]]
        revision = about["state"]["revision"]
        begun.set()
        while True:
            key = keys[revision % len(keys)]
            paint = {"item": key, "runs": [[revision * 7 % 30_000, 5, revision % 5]]}
            action, content = ("paint", paint) if revision % 3 else ("take_2d", {"item": key})
            answer = server.json(f"/api/cases/0/{action}", {"revision": revision, **content})
            revision = answer["state"]["revision"]
            if action == "paint" and not answer["changed"]:
                server.json("/api/cases/0/flag", {"revision": revision, "item": key})
                revision += 1
    except (OSError, http.client.HTTPException, ValueError):
        return revision


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
