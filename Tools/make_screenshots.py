"""The module from an image file to a reviewed, corrected, exported case, with a picture of every step.

`python Tools/make_screenshots.py [IMAGE] [--model DIR] [--case DIR] [--output DIR]` drives
the module's own widget in the Qt host and draws the views with Slicer's displayable managers off-screen.
Without an image it takes the phantom. With a case folder, as `cardiacuq segment` has written it for that
image, it opens this one instead of computing, and there is no picture of a preview.
Writes walk-1-loaded.png ... walk-7-measured.png into Resources/Screenshots or the output folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
MODULE = REPOSITORY / "CardiacUQ"
SCREENSHOTS = REPOSITORY / "Resources" / "Screenshots"
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
sys.path[:0] = [str(MODULE), str(REPOSITORY / "Testing")]

PANEL_WIDTH, HEIGHT, GAP = 522, 1100, 6
LARGE = (760, 700)
HEART_PX = 96
SMALL = ((LARGE[0] - GAP) // 2, HEIGHT - LARGE[1] - GAP)
STEPS = ("loaded", "preview", "segmented", "region", "corrected", "exported", "measured")
COLOURS, SCALE_COLOURS = 256, 64
INSERTION_DEGREES = 130.0
"""Where the reader clicks: anterior and septal, counter-clockwise from the right of the picture."""


class Walk:
    """The user, the application and the camera."""

    def __init__(self, folder: Path, image: Path | None, output: Path) -> None:
        from host import application

        from CardiacUQScene.render import SliceView, SurfaceView

        self.host = application.start(folder / "host", slice_views=False)
        scene = self.host.app.standalone
        self.red = SliceView(scene, "Red", LARGE)
        self.green = SliceView(scene, "Green", SMALL)
        self.green.logic.GetSliceNode().SetOrientation("Coronal")
        self.yellow = SliceView(scene, "Yellow", LARGE)
        self.surface = SurfaceView(scene, "1", SMALL)
        self.module = self.host.load(MODULE / "CardiacUQ.py")
        self.volume = self._load(image)
        self.widget = self.host.open("CardiacUQ")
        self.ui = self.widget.ui
        self.folder, self.output = folder, output
        self.host.wait(lambda: not self.widget.busy, 1200)

    def _load(self, image: Path | None) -> Any:
        from CardiacUQWidgets import case_opening, samples

        volume = samples.load_lge() if image is None else case_opening.load_image(image)
        import slicer

        for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            node.SetBackgroundVolumeID(volume.GetID())
        for view in (self.red, self.green):
            view.logic.FitSliceToAll(*view.window.GetSize())
        self._window(volume)
        return volume

    def _window(self, volume: Any) -> None:
        """Set the grey window to the middle of the picture, where the heart is, as a reader does first."""
        import numpy as np
        import slicer

        array = slicer.util.arrayFromVolume(volume)
        y, x = (slice(max(n - HEART_PX, 0) // 2, (n + HEART_PX) // 2) for n in array.shape[1:])
        low, high = np.percentile(array[:, y, x], (1.0, 99.0))
        display = volume.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(float(low), float(high))

    def picture(self, step: str, large: Any = None) -> Path:
        """Panel on the left, views on the right, the Red one above unless another is named."""
        from PIL import Image

        canvas = Image.new("RGB", (PANEL_WIDTH + GAP + LARGE[0], HEIGHT), "black")
        canvas.paste(self._panel(), (0, 0))
        left = PANEL_WIDTH + GAP
        canvas.paste(Image.fromarray((large or self.red).pixels()), (left, 0))
        canvas.paste(Image.fromarray(self.green.pixels()), (left, LARGE[1] + GAP))
        if self.widget.display.nodes is not None:
            self.surface.look_at(self.widget.display.nodes)
        canvas.paste(Image.fromarray(self.surface.pixels()), (left + SMALL[0] + GAP, LARGE[1] + GAP))
        self.output.mkdir(parents=True, exist_ok=True)
        path = self.output / f"walk-{STEPS.index(step) + 1}-{step}.png"
        small = canvas.quantize(palette=_palette(canvas), dither=Image.Dither.NONE)
        small.save(path, optimize=True, pnginfo=self._made_with())
        return path

    def _made_with(self) -> Any:
        """Bundle and version, written into the picture: a test compares them with what is shipped."""
        from PIL.PngImagePlugin import PngInfo

        manifest, info = self.widget.models.bundle.manifest, PngInfo()
        info.add_text("bundle", f"{manifest.name} {manifest.version}")
        return info

    def _panel(self) -> Any:
        from PIL import Image

        frame = self.host.frames["CardiacUQ"]
        frame.resize(PANEL_WIDTH, max(HEIGHT, frame.minimumSizeHint().height()))  # Slicer would scroll
        for _ in range(3):  # hiding and showing widgets is settled in more than one round
            self.host.app.processEvents()
        path = self.folder / "panel.png"
        frame.grab().save(str(path))
        with Image.open(path) as image:
            return image.convert("RGB").crop((0, 0, PANEL_WIDTH, HEIGHT))

    def begin(self) -> None:
        """The notice of the first use, confirmed."""
        self.ui.reviewerEdit.text = "Jane Doe"
        self.picture("loaded")
        self.ui.noticeButton.click()

    def open_case(self, case: Path) -> None:
        """Open a copy of a case folder that was computed before, since the review writes into it."""
        copy = shutil.copytree(case, self.folder / "cases" / case.name)
        self.widget.load_case(copy)
        self._result()

    def _result(self) -> None:
        self.ui.surfaces3DCheckBox.checked = True
        self.picture("segmented")

    def segment(self) -> None:
        """Press Segment; a picture of the preview and of the result."""
        from CardiacUQScene import find_case

        self.ui.segmentButton.click()
        if self.widget.runs.run is None:
            self.ui.licenceAcceptButton.click()
        self.host.wait(lambda: find_case(self.volume) is not None or not self.widget.busy, 1800)
        if find_case(self.volume) is None:
            raise RuntimeError(self.ui.messageLabel.text)
        self.picture("preview")
        self.host.wait(lambda: not self.widget.busy, 1800)
        if self.widget.review.session is None:
            raise RuntimeError(self.ui.messageLabel.text)
        self._result()

    def review(self) -> None:
        """Go to the first region, accept what it proposes or take the 2D label there, keep the next."""
        self.widget.review.press("N")
        self.picture("region")
        item = self.widget.review.session.item
        self.widget.review.press("D" if item.proposed is None else "A")
        self.widget.review.press("P")
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

    def measure(self) -> None:
        """Mark the anterior RV insertion; AHA segments in the table and as bull's-eyes."""
        import numpy as np
        import vtk

        from CardiacUQScene import insertion_markup, show_heart
        from CardiacUQScene.views import ROOM_AROUND_HEART

        self.ui.correctionsCheckBox.checked = False
        self.ui.reviewSection.collapsed, self.ui.measuresSection.collapsed = True, False
        self.ui.insertionButton.click()
        show_heart(self.widget.desk.nodes)  # the middle slice, not that of the last region
        view = self.red.logic.GetSliceNode()  # the heart is in its middle
        frame = view.GetSliceToRAS()
        right, up, middle = (
            np.array([frame.GetElement(row, column) for row in range(3)]) for column in (0, 1, 3)
        )
        radius = min(view.GetFieldOfView()[:2]) / ROOM_AROUND_HEART / 2
        angle = np.radians(INSERTION_DEGREES)
        place = middle + radius * (np.cos(angle) * right + np.sin(angle) * up)
        markup = insertion_markup(self.volume)
        if markup is None:
            raise RuntimeError("the mark of the insertion is not there")
        markup.AddControlPointWorld(vtk.vtkVector3d(*place.tolist()))
        self.host.wait(lambda: not self.widget.insertion.busy, 300)
        self.ui.bullseyesButton.click()
        self.picture("measured", self.yellow)


def _palette(picture: Any) -> Any:
    """Colours for a small PNG: those of the uncertainty scale, so that it stays even, and the rest."""
    import numpy as np
    from PIL import Image

    from CardiacUQLib.bundles.colours import heat_colours

    scale = heat_colours(np.linspace(0.0, 1.0, SCALE_COLOURS)).round().astype(int)
    rest = picture.quantize(COLOURS - len(scale)).getpalette()[: 3 * (COLOURS - len(scale))]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*scale.ravel().tolist(), *rest])
    return palette


def main() -> None:
    """Walk through the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("image", type=Path, nargs="?")
    parser.add_argument("--model", type=Path, help="bundle folder (default: the bundles of the repository)")
    parser.add_argument("--case", type=Path, help="case folder of the image, to open instead of computing")
    parser.add_argument("--output", type=Path, default=SCREENSHOTS)
    options = parser.parse_args()
    if options.model is not None:
        os.environ["CARDIACUQ_MODELS"] = str(options.model.resolve().parent)
    from CardiacUQLib.base.threads import wait_politely

    wait_politely()
    with tempfile.TemporaryDirectory(prefix="cardiacuq-walk-") as folder:
        walk = Walk(Path(folder), options.image, options.output)
        walk.begin()
        if options.case is None:
            walk.segment()
        else:
            walk.open_case(options.case)
        walk.review()
        walk.export()
        walk.measure()
        walk.host.stop()


if __name__ == "__main__":
    main()
