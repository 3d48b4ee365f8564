"""The Slicer module CardiacUQ: segments cardiac MR, shows where it is unsure, leads through the doubts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from CardiacUQLib.base.errors import ModelError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.review import CaseMaps
from CardiacUQScene import (
    CaseNodes,
    heat_map_choices,
    is_ours,
    our_volumes,
    show_case,
    tidy_cases,
)
from CardiacUQWidgets import about, computer, inputfile, launch, selftest, startup
from CardiacUQWidgets.computer_panel import ComputerPanel
from CardiacUQWidgets.contrast import Contrast
from CardiacUQWidgets.desk import Desk
from CardiacUQWidgets.display_panel import DisplayPanel
from CardiacUQWidgets.export_panel import ExportPanel
from CardiacUQWidgets.film_panel import FilmPanel
from CardiacUQWidgets.insertion_panel import InsertionPanel
from CardiacUQWidgets.licence_gate import LicenceGate
from CardiacUQWidgets.model_panel import ModelPanel, contrast_of
from CardiacUQWidgets.notice import FirstUseNotice
from CardiacUQWidgets.parameters import CardiacUQParameterNode, HeatMapChoice
from CardiacUQWidgets.queue_panel import QueuePanel
from CardiacUQWidgets.review_panel import ReviewPanel
from CardiacUQWidgets.run import RunOptions
from CardiacUQWidgets.run_panel import RunPanel


class CardiacUQ(ScriptedLoadableModule):
    """What the module list shows."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "CardiacUQ"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Cardiac")]
        parent.dependencies = []
        parent.contributors = ["CardiacUQ contributors"]
        parent.helpText = _(
            "Segments short-axis cardiac MR (late enhancement, cine), shows where the result is unsure and "
            "leads through the regions that need a look. Choose a volume, press Segment, then Review. Keys "
            "while a case is reviewed: N next open region, P previous, K keep, D take 2D, 1-4 class, E edit, "
            "L flag, Z undo, Y redo, H heat map, X export. "
            "Nothing is uploaded. Research use only."
        ) + about.links(about.HELP)
        parent.acknowledgementText = _(
            "The methods are published; please cite the paper of the one you used. "
            "The model cards name the data used for training."
        ) + about.links(about.PAPERS)
        slicer.app.connect("startupCompleted()", startup.register)


class CardiacUQWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Puts the panels together: model, run, desk, review, queue."""

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = cast(CardiacUQLogic, None)  # made in setup, as the panels are
        self._parameters: CardiacUQParameterNode | None = None
        self._gui_tag: int | None = None

    def setup(self) -> None:
        """Build the panel; needs neither torch nor a main window."""
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/CardiacUQ.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = CardiacUQLogic()
        self.runs = RunPanel(self.ui, self._prepare_run, lambda *shown: self.desk.take_result(*shown))
        say, guarded = self.runs.say, self.runs.guarded
        self.models = ModelPanel(self.ui, say)
        self.licences = LicenceGate(self.ui, lambda: self.runs.on_button())
        self.display = DisplayPanel(self.ui)
        self.review = ReviewPanel(self.ui, guarded, say, self.toggle_heat_map)
        self.films = FilmPanel(self.ui, self._browse_to, say)
        self.desk = Desk(self.ui, self.review, self.display, say, guarded)
        self.queue = QueuePanel(
            self.ui,
            guarded,
            lambda folder: self.desk.open_folder(folder, instead=True),
            lambda: self.review.is_done,
        )
        self.review.on_change.append(self.queue.refresh)
        self.exports = ExportPanel(self.ui, self.desk, say, guarded)
        self.insertion = InsertionPanel(self.ui, lambda: self.review.session, say)
        requirements = Path(self.resourcePath("requirements.txt"))
        self.computer = ComputerPanel(self.ui, requirements, guarded, self._show_expectation)
        self.notice = FirstUseNotice(self.ui)
        self._tidying = qt.QTimer()
        self._tidying.setSingleShot(True)
        self._tidying.interval = 0
        self._tidying.connect("timeout()", self.tidy)
        self._connect()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.on_scene_start_close)
        self.addObserver(scene, scene.EndCloseEvent, self.on_scene_end_close)
        self.addObserver(scene, scene.EndImportEvent, self.on_scene_imported)
        self.addObserver(scene, scene.NodeAddedEvent, self.on_nodes_changed)
        self.addObserver(scene, scene.NodeRemovedEvent, self.on_nodes_changed)
        self._set_parameters(self.logic.getParameterNode())

    def _connect(self) -> None:
        ui = self.ui
        ui.loadCaseButton.connect("clicked(bool)", self.on_load_case)
        ui.heatMapSelector.connect("activated(int)", self.on_heat_map_chosen)
        self.models.on_change += [self._show_expectation, self._watch_film]
        self.desk.choose_volume = self._choose_volume
        self.desk.presented = self._presented
        self.review.at_end = self.on_review_end
        self.runs.studied = self.films.take_study
        self.films.open_study = self.desk.open_study
        self.review.export = self.exports.training_case

    # -- life cycle

    def enter(self) -> None:
        """The module is chosen: keys, words under the cursor, devices, a result that came meanwhile."""
        if self._parameters is None or self._parameters.inputVolume is None:
            self._set_parameters(self.logic.getParameterNode())
        self.models.guess(cast(CardiacUQParameterNode, self._parameters).inputVolume)
        self.review.keys.enter(slicer.util.mainWindow() or self.parent)
        self.display.watch_cursor()
        self.runs.enter()

    def exit(self) -> None:
        """Another module is chosen: a run goes on, the keys are given back, what was painted counts."""
        self.runs.leave()
        self.runs.guarded(self.review.finish_editing)
        self.review.keys.leave()
        self.display.unwatch_cursor()

    def cleanup(self) -> None:
        """The module is unloaded or the application quits."""
        self._let_go()
        self.exit()
        self.runs.cool_down()
        self.desk.publisher.finish()
        self.removeObservers()

    @property
    def busy(self) -> bool:
        """True while anything runs, is opened, shown or written."""
        return self.runs.busy or self.desk.busy or self.exports.writing.busy or self.films.loading.busy

    def on_scene_start_close(self, caller: Any, event: str) -> None:
        """The scene goes: so does the run."""
        self._let_go()

    def on_scene_end_close(self, caller: Any, event: str) -> None:
        """A new scene, if the module is being looked at."""
        if self.parent.isEntered:
            self._set_parameters(self.logic.getParameterNode())

    def on_scene_imported(self, caller: Any, event: str) -> None:
        """A saved scene was loaded: its parameters and its case, the review where it was left."""
        self._set_parameters(self.logic.getParameterNode())

    def on_nodes_changed(self, caller: Any, event: str) -> None:
        """Nodes came or went: look after it when everything that goes together has."""
        if not slicer.mrmlScene.IsClosing() and self._parameters is not None:
            self._tidying.start()

    def tidy(self) -> None:
        """Leave no half of a case behind, and offer no map of ours as input."""
        scene = slicer.mrmlScene
        if scene.IsClosing() or scene.IsImporting() or self._parameters is None:
            return
        tidy_cases(scene)
        hidden = [node.GetID() for node in our_volumes(scene)]
        for selector in (self.ui.inputSelector, self.ui.pairSelector):
            selector.sortFilterProxyModel().hiddenNodeIDs = hidden
        self.desk.tidy()
        self.insertion.watch(self.desk.volume)
        if self.films.film is None:  # a volume is chosen before it has its browser and file
            self._watch_film()

    def _let_go(self) -> None:
        """End child processes and drop everything that refers to the scene."""
        self._tidying.stop()
        self.runs.stop()
        self.insertion.stop()
        self.films.loading.stop()
        self.desk.stop()
        self.review.editor.drop_node()
        self._set_parameters(None)
        self.models.forget_choice()

    def _set_parameters(self, parameters: CardiacUQParameterNode | None) -> None:
        if self._parameters is not None:
            self._parameters.disconnectGui(self._gui_tag)
            self.removeObserver(self._parameters, vtk.vtkCommand.ModifiedEvent, self.on_parameters)
        self._parameters, self.desk.volume = parameters, None
        if parameters is None:
            return
        if parameters.inputVolume is None:
            parameters.inputVolume = self.logic.default_volume()
        self._gui_tag = parameters.connectGui(self.ui)
        self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self.on_parameters)
        if parameters.model:
            self.models.choose(parameters.model)
        self.on_parameters(turn_views=False)

    def on_parameters(self, caller: Any = None, event: str = "", *, turn_views: bool = True) -> None:
        """Something in the parameter node changed."""
        if self._parameters is None:
            return
        volume = self._parameters.inputVolume
        if volume is not self.desk.volume and not self.desk.loading:
            self._watch(volume)
            self.licences.hide()
            self.queue.leave()
            self.desk.choose(volume, turn_views=turn_views)
            if volume is not None and self.parent.isEntered:
                self.runs.warm_up()
        self.display.apply(self._parameters)
        self._show_expectation()

    def _choose_volume(self, volume: vtkMRMLScalarVolumeNode | None) -> None:
        """Opening a case has chosen a volume, or failed and left the choice to the selector."""
        if volume is None:
            self.on_parameters()
            return
        cast(CardiacUQParameterNode, self._parameters).inputVolume = volume
        self._watch(volume)

    def _watch(self, volume: vtkMRMLScalarVolumeNode | None) -> None:
        """Model, mark and film follow the chosen volume."""
        self.models.guess(volume)
        self.insertion.watch(volume)
        self._watch_film()

    def _watch_film(self) -> None:
        bundle = self.models.bundle
        cine = bundle is not None and contrast_of(bundle) is Contrast.CINE
        volume = self._parameters.inputVolume if self._parameters is not None else None
        self.films.watch(volume, cine=cine)

    # -- running

    def _prepare_run(self) -> tuple[vtkMRMLScalarVolumeNode, RunOptions, int]:
        """Volume, options and number of passes; raises CardiacUQError with what to do."""
        parameters, bundle = cast(CardiacUQParameterNode, self._parameters), self.models.bundle
        inputfile.check_volume(parameters.inputVolume)
        if bundle is None:
            raise ModelError(self.ui.modelLabel.text)
        self.licences.check(bundle)
        self.desk.ask_before_replacing()
        self.computer.install_missing()
        parameters.model = bundle.folder.name
        device = computer.chosen_device()
        point = self.desk.insertion()
        options = RunOptions(
            bundle.folder, device, parameters.folds, parameters.flips, parameters.preview, point,
            self.films.asked(), self.films.end_systole(), parameters.probabilities, parameters.keepUnlike,
        )  # fmt: skip
        return parameters.inputVolume, options, self.models.passes(parameters.folds, parameters.flips)

    def _browse_to(self, volume: vtkMRMLScalarVolumeNode) -> None:
        """Another frame of a film is shown."""
        if self._parameters is not None and self._parameters.inputVolume is not volume:
            self._parameters.inputVolume = volume

    def _presented(self, nodes: CaseNodes | None) -> None:
        """Another case is looked at, or its review has been opened."""
        if self._parameters is None:
            return
        if nodes is not None and not self._parameters.heatMapChosen:
            offered = next(iter(heat_map_choices(nodes)), None)
            self._parameters.heatMap = HeatMapChoice(offered) if offered else self._parameters.heatMap
        self.display.apply(self._parameters)
        if self.review.session is not None:
            self.ui.inputSection.collapsed = True
            if self.desk.insertion() is not None:
                self.insertion.count()

    def _show_expectation(self) -> None:
        """The line under the button: device and expected time."""
        parameters = self._parameters
        if parameters is not None:
            passes = self.models.passes(parameters.folds, parameters.flips)
            self.computer.show_expectation(parameters.inputVolume, passes)

    def on_load_case(self, checked: bool = False) -> None:
        """Review a case folder; needs no torch."""
        title, start = _("Case folder"), str(computer.results_folder())
        folder = qt.QFileDialog.getExistingDirectory(self.parent, title, start)
        if folder:
            self.queue.leave()
            self.runs.guarded(lambda: self.desk.open_folder(Path(folder)))

    def load_case(self, folder: Path) -> None:
        """Show a case folder on its volume, and wait until it is there; raises CardiacUQError."""
        self.queue.leave()
        self.desk.open_folder(folder, wait=True)

    def on_review_end(self) -> None:
        """No region is open any more: say what is left; pressed again, the next case of the queue."""
        session: Any = self.review.session
        ended = _("{progress}. Export (X)").format(progress=session.progress_text().capitalize())
        words = ended + (_(" or next case (N).") if self.queue.cases else ".")
        if self.queue.cases and self.ui.messageLabel.text == words:
            self.queue.next_case()
            return
        self.desk.publish_later()
        self.runs.say(words)

    def on_heat_map_chosen(self, index: int) -> None:
        """From now on the user's choice, not the one that the model's evaluation found best."""
        if self._parameters is not None:
            self._parameters.heatMapChosen = True

    def toggle_heat_map(self) -> None:
        """The key H."""
        if self._parameters is not None:
            self._parameters.heatVisible = not self._parameters.heatVisible


class CardiacUQLogic(ScriptedLoadableModuleLogic):
    """The module without its widget: for scripts and for the self-test."""

    def getParameterNode(self) -> CardiacUQParameterNode:
        """The scene's one parameter node, typed."""
        return CardiacUQParameterNode(super().getParameterNode())

    def default_volume(self) -> vtkMRMLScalarVolumeNode | None:
        """The volume to begin with: the one in the background of the views, else the first that fits."""
        shown = [n.GetBackgroundVolumeID() for n in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")]
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        fitting = [
            volume
            for volume in volumes
            if volume.GetClassName() == "vtkMRMLScalarVolumeNode" and not is_ours(volume)
        ]
        return next(iter(sorted(fitting, key=lambda volume: volume.GetID() not in shown)), None)

    def read_case(self, folder: Path) -> CaseMaps:
        """A case folder as arrays; raises InputError."""
        return CaseMaps.of(read_case(folder))

    def process(self, volume: vtkMRMLScalarVolumeNode, options: RunOptions) -> CaseNodes:
        """Segment a volume and show the case; waits until it is done. Raises CardiacUQError."""
        inputfile.check_volume(volume)
        run = launch.segmentation_run(volume, options)
        case = run.wait()
        return show_case(case, volume, check_content=False)


class CardiacUQTest(ScriptedLoadableModuleTest):
    """Runs a tiny bundle with random weights on a phantom, in a child process, and reviews the result."""

    def setUp(self) -> None:
        """An empty scene and a folder of our own."""
        slicer.mrmlScene.Clear()
        self.folder = Path(tempfile.mkdtemp(prefix="cardiacuq-selftest-"))

    def tearDown(self) -> None:
        """Leave nothing behind."""
        slicer.mrmlScene.Clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def runTest(self) -> None:
        """All tests, one after the other."""
        for test in (self.test_segment_and_review,):
            self.setUp()
            try:
                test()
            finally:
                self.tearDown()

    def test_segment_and_review(self) -> None:
        """From a phantom to a reviewed case."""
        self.delayDisplay("Segmenting a phantom with a tiny model")
        selftest.segment_and_review(self, CardiacUQLogic(), self.folder)
        self.delayDisplay("Test passed")
