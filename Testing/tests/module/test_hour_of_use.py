"""An hour of use as one script: two patients and a film, switched, reviewed, painted, saved, deleted.

After every step the state of nodes, views, panel and files must be that of the chosen case, and what is
drawn must be its picture. With CARDIACUQ_PICTURES=FOLDER every picture is kept there to be looked at.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
from desk_checks import case_of_its_own, seen

REPOSITORY = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.timeout(1800)


class Reader:
    """The user with the views and the panel in front of them, and a camera."""

    def __init__(self, folder: Path) -> None:
        from host import application

        from CardiacUQScene.render import SliceView

        self.host = application.start(folder / "host", slice_views=False)
        self.views = {
            name: SliceView(self.host.app.standalone, name, (420, 420)) for name in ("Red", "Green")
        }
        self.host.load(REPOSITORY / "CardiacUQ" / "CardiacUQ.py")
        self.widget = self.host.open("CardiacUQ")
        self.pictures = Path(os.environ.get("CARDIACUQ_PICTURES") or folder / "pictures")
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.step = 0

    @property
    def press(self):
        return self.widget.review.keys.press

    def wait(self) -> None:
        self.host.wait(lambda: not self.widget.busy, 600)
        self.host.app.processEvents()

    def choose(self, volume) -> None:
        self.widget.ui.inputSelector.setCurrentNode(volume)
        self.wait()
        seen(self.widget, volume)

    def labels(self) -> np.ndarray:
        from CardiacUQScene.voxels import labels_of

        nodes = self.widget.desk.nodes
        return labels_of(nodes.segmentation, nodes.segments, nodes.volume)

    def picture(self, what: str) -> np.ndarray:
        """The slice views side by side and the panel, drawn now."""
        from CardiacUQScene.render import montage, write_png

        pixels = montage([view.pixels() for view in self.views.values()])
        self.step += 1
        name = f"{self.step:02d}-{what}"
        write_png(pixels, self.pictures / f"{name}-views.png")
        frame = self.host.frames["CardiacUQ"]
        frame.resize(460, max(frame.layout().totalHeightForWidth(460), 100))
        self.host.app.processEvents()
        frame.grab().save(str(self.pictures / f"{name}-panel.png"))
        return pixels.astype(int)


@pytest.fixture
def reader(tmp_path, models, monkeypatch):
    sys.path.insert(0, str(REPOSITORY / "Testing"))
    from host import pythonqt

    from CardiacUQLib.bundles import bundle

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(bundle, "bundle_folders", lambda: (models,))
    person = Reader(tmp_path)
    yield person
    person.host.stop()
    raised = list(pythonqt.errors)
    pythonqt.errors.clear()
    sys.path.remove(str(REPOSITORY / "Testing"))
    assert not raised, f"slots raised: {raised}"


def test_an_hour_of_use(reader, phantom_file, case_folder, tmp_path):
    from test_widget_film import SYSTOLE, add_film, make_study

    from CardiacUQLib.phantom import cine_phantom
    from CardiacUQScene import all_cases
    from CardiacUQWidgets.case_opening import load_image

    widget, ui, host = reader.widget, reader.widget.ui, reader.host
    ui.reviewerEdit.text = "Jane Doe"
    reader.picture("empty")

    # the first patient is loaded and segmented, by a real child process
    first = load_image(phantom_file)
    host.app.processEvents()
    reader.picture("loaded")
    ui.segmentButton.click()
    assert widget.runs.run is not None, ui.messageLabel.text
    reader.wait()
    seen(widget, first)
    alone = reader.picture("segmented")

    # the second comes as a case folder, a film as a finished study
    second_folder = case_of_its_own(case_folder, tmp_path / "second")
    widget.desk.open_folder(second_folder)
    reader.wait()
    second = widget.desk.volume
    seen(widget, second)
    reader.picture("second")
    film, browser = add_film(host, cine_phantom(1, n_frames=5, shape=(8, 128, 128)).frames)
    widget.runs.studied(make_study(case_folder, tmp_path), film)
    reader.wait()
    diastole = widget.desk.volume
    seen(widget, diastole)
    reader.picture("film")

    # switched back and forth twenty times: every picture of a case is the same as the one before
    pictures = {}
    for turn in range(20):
        volume = (first, second, diastole)[turn % 3]
        reader.choose(volume)
        drawn = reader.picture(f"switch-{turn:02d}-{volume.GetName()}") if turn < 6 else None
        if drawn is not None and volume in pictures:
            assert (drawn == pictures[volume]).all(), f"{volume.GetName()} looks as before"
        elif drawn is not None:
            pictures[volume] = drawn
    assert (np.abs(pictures[first] - alone) < 9).all(), "the first patient looks as when it was alone"
    assert (pictures[first] != pictures[second]).any()

    # the film is browsed: results at both phases, the bare frame between them
    reader.choose(diastole)
    for index in (2, SYSTOLE, 0):
        browser.SetSelectedItemNumber(index)
        reader.wait()
        assert (widget.desk.nodes is None) is (index == 2)
        reader.picture(f"frame-{index + 1}")
    assert len(all_cases()) == 4

    # the second patient is reviewed with painting, undone, redone
    reader.choose(second)
    reader.press("N")
    reader.picture("region")
    start = reader.labels()
    reader.press("E")
    reader.press("1" if widget.review.session.item.became != 1 else "2")
    session = widget.review.session
    region = session._order.from_stored(np.asarray(session.review.mask(session.index)))
    widget.review.editor.widget._stroke(region)
    reader.press("K")
    painted = reader.labels()
    assert (painted != start).any() and not widget.review.editor.is_open
    reader.picture("painted")
    reader.press("L")
    reader.press("Z")
    reader.press("Z")
    assert (reader.labels() == start).all(), "both are taken back"
    reader.press("Y")
    assert (reader.labels() == painted).all()
    seen(widget, second)
    while not session.progress().done:
        reader.press("K")
    headline, stamp = ui.headlineLabel.text, ui.stampLabel.text
    assert "Done" in ui.messageLabel.text and "Jane Doe" in stamp
    reader.picture("reviewed")

    # saved, reopened: the same case, the same words, the same voxels
    host.app.standalone.save(tmp_path / "hour.mrb")
    host.scene.Clear(0)
    reader.wait()
    assert json.loads((second_folder / "measures.json").read_text("utf-8"))["headline"] == headline
    host.app.standalone.load(tmp_path / "hour.mrb")
    host.open("CardiacUQ")
    reader.wait()
    second = next(n.volume for n in all_cases() if n.folder == second_folder)
    reader.choose(second)
    assert (ui.headlineLabel.text, ui.stampLabel.text) == (headline, stamp)
    assert (reader.labels() == painted).all()
    reader.picture("reopened")

    # exported as a training case
    target = tmp_path / "training"
    target.mkdir()
    host.qt.QFileDialog.getExistingDirectory = staticmethod(lambda *_: str(target))
    reader.press("X")
    reader.wait()
    assert list(target.rglob("Contours/*.nii.gz")) and "training case" in ui.messageLabel.text

    # and deleted, volume first; the others stay what they were
    others = [nodes.volume for nodes in all_cases() if nodes.volume is not second]
    host.scene.RemoveNode(second)
    reader.wait()
    assert not [n for n in all_cases() if n.folder == second_folder]
    assert not slicer.util.getNodes("Region under review")
    reader.choose(next(volume for volume in others if volume.GetName() == "LGE phantom"))
    reader.picture("after-deleting")
    shutil.rmtree(tmp_path / "training")
