"""Draw the picture of the review page in the README: the demo's case in a real browser.

    python Tools/make_review_picture.py CASE_FOLDER [OUT.png]

Needs Chromium and its driver (``apt-get install chromium chromium-driver``); without, nothing is drawn.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "CardiacUQ"), str(ROOT / "Testing" / "tests" / "web")]
sys.path.append(str(ROOT / "Testing" / "tests" / "lib"))

PICTURE = ROOT / "Resources" / "Screenshots" / "review-browser.png"
DECISIONS = "kkt"


def main(case: Path, picture: Path) -> None:
    """Decide a few regions of a copy of the case, and take the screen."""
    from browser import browsing, missing
    from serving import enter, serving

    if reason := missing():
        print(f"the picture of the review page is not drawn: {reason}")
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(case, Path(folder) / case.name)
        with serving(copy, reviewer="Jane Doe") as server, browsing(1366, 768) as browser:
            enter(browser, server)
            for key in DECISIONS:
                browser.press(key)
                browser.settled()
            browser.picture(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else PICTURE)
