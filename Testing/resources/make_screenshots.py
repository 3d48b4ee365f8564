"""The module from an image file to a reviewed, corrected, exported case, with a picture of every step.

`python Testing/resources/make_screenshots.py [IMAGE [MODEL]]` drives the module's own widget in the Qt host
and draws the views with Slicer's displayable managers off-screen. Without an image it takes the phantom.
Writes Resources/Screenshots/walk-1-loaded.png ... walk-6-exported.png.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "CardiacUQ"
SCREENSHOTS = REPOSITORY / "Resources" / "Screenshots"
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
sys.path[:0] = [str(MODULE), str(REPOSITORY / "Testing")]

PANEL_WIDTH, HEIGHT, GAP = 470, 1020, 6
LARGE = (760, 640)
SMALL = ((LARGE[0] - GAP) // 2, HEIGHT - LARGE[1] - GAP)
STEPS = ("loaded", "preview", "segmented", "region", "corrected", "exported")


class Walk:
    """The user, the application and the camera."""

    def __init__(self, folder: Path, image: Path | None) -> None:
        from host import application

        from CardiacUQScene.render import SliceView, SurfaceView

        self.host = application.start(folder / "host", slice_views=False)
        scene = self.host.app.standalone
        self.red = SliceView(scene, "Red", LARGE)
        self.green = SliceView(scene, "Green", SMALL)
        self.green.logic.GetSliceNode().SetOrientation("Coronal")
        self.surface = SurfaceView(scene, "1", SMALL)
        self.module = self.host.load(MODULE / "CardiacUQ.py")
        self.volume = self._load(image)
        self.widget = self.host.open("CardiacUQ")
        self.ui = self.widget.ui
        self.folder = folder
        self.host.wait(lambda: not self.widget.runs.busy, 1200)

    def _load(self, image: Path | None) -> Any:
        from CardiacUQWidgets import case_file, samples

        volume = samples.load_lge() if image is None else case_file.load_image(image)
        import slicer

        for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            node.SetBackgroundVolumeID(volume.GetID())
        for view in (self.red, self.green):
            view.logic.FitSliceToAll(*view.window.GetSize())
        return volume

    def picture(self, step: str) -> Path:
        """Panel on the left, views on the right."""
        from PIL import Image

        canvas = Image.new("RGB", (PANEL_WIDTH + GAP + LARGE[0], HEIGHT), "black")
        canvas.paste(self._panel(), (0, 0))
        left = PANEL_WIDTH + GAP
        canvas.paste(Image.fromarray(self.red.pixels()), (left, 0))
        canvas.paste(Image.fromarray(self.green.pixels()), (left, LARGE[1] + GAP))
        if self.widget.display.nodes is not None:
            self.surface.look_at(self.widget.display.nodes)
        canvas.paste(Image.fromarray(self.surface.pixels()), (left + SMALL[0] + GAP, LARGE[1] + GAP))
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"walk-{STEPS.index(step) + 1}-{step}.png"
        canvas.quantize(256).save(path, optimize=True)
        return path

    def _panel(self) -> Any:
        from PIL import Image

        frame = self.host.frames["CardiacUQ"]
        frame.resize(PANEL_WIDTH, HEIGHT)
        self.host.app.processEvents()
        path = self.folder / "panel.png"
        frame.grab().save(str(path))
        with Image.open(path) as image:
            return image.convert("RGB").crop((0, 0, PANEL_WIDTH, HEIGHT))

    def segment(self) -> None:
        """Press Segment; a picture of the preview and of the result."""
        from CardiacUQScene import find_case

        self.ui.segmentButton.click()
        runs = self.widget.runs
        self.host.wait(lambda: find_case(self.volume) is not None or not runs.busy, 1800)
        if find_case(self.volume) is None:
            raise RuntimeError(self.ui.messageLabel.text)
        self.picture("preview")
        self.host.wait(lambda: not runs.busy, 1800)
        if self.widget.review.session is None:
            raise RuntimeError(self.ui.messageLabel.text)
        self.ui.surfaces3DCheckBox.checked = True
        self.picture("segmented")

    def review(self) -> None:
        """Go to the first region, take the 2D label there, keep the next."""
        self.ui.reviewButton.click()
        self.picture("region")
        self.widget.review.press("T")
        self.widget.review.press("P")
        self.ui.correctionsCheckBox.checked = True
        self.picture("corrected")
        self.widget.review.press("N")
        self.widget.review.press("K")

    def export(self) -> None:
        """Export the training case."""
        target = self.folder / "training"
        target.mkdir()
        self.host.qt.QFileDialog.getExistingDirectory = staticmethod(lambda *_: str(target))
        self.ui.exportButton.click()
        written = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
        if not written:
            raise RuntimeError(self.ui.messageLabel.text)
        # The picture shall not show where this computer keeps its temporary files.
        self.ui.messageLabel.text = f"The training case is written: {', '.join(written)}"
        self.picture("exported")


def main() -> None:
    """Walk through the module."""
    image = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if len(sys.argv) > 2:
        os.environ["CARDIACUQ_MODELS"] = str(Path(sys.argv[2]).resolve().parent)
    with tempfile.TemporaryDirectory(prefix="cardiacuq-walk-") as folder:
        walk = Walk(Path(folder), image)
        walk.ui.reviewerEdit.text = "Jane Doe"
        walk.picture("loaded")
        walk.segment()
        walk.review()
        walk.export()
        walk.host.stop()


if __name__ == "__main__":
    main()
