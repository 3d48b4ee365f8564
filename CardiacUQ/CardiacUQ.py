"""The Slicer module CardiacUQ: segments cardiac MR, shows where it is unsure, leads through the doubts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, cast

import ctk
import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from CardiacUQLib.base.errors import ModelError
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.review import CaseMaps
from CardiacUQScene import (
    CaseNodes,
    align_views,
    all_cases,
    find_case,
    heat_map_choices,
    insertion_ras,
    show_case,
)
from CardiacUQWidgets import case_file, computer, dependencies, inputfile, launch, selftest, startup
from CardiacUQWidgets.display_panel import DisplayPanel, HeatMapChoice
from CardiacUQWidgets.insertion_panel import InsertionPanel
from CardiacUQWidgets.model_panel import ModelPanel
from CardiacUQWidgets.notice import FirstUseNotice
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
            "leads through the regions that need a look. Choose a volume, press Segment, then Review. Keys: "
            "N next, P previous, K keep 3D, T take 2D, 1-4 class, E edit, F flag, Z undo, H heat map. "
            "Nothing is uploaded. Research use only."
        )
        parent.acknowledgementText = _(
            "The methods are published; the model cards name the papers and the data used for training."
        )
        slicer.app.connect("startupCompleted()", startup.register)


@parameterNodeWrapper
class CardiacUQParameterNode:
    """What is saved with the scene; what belongs to the computer is in the application's settings."""

    inputVolume: vtkMRMLScalarVolumeNode
    model: str = ""
    heatMap: HeatMapChoice = HeatMapChoice(MapName.ERROR_PROBABILITY)
    heatMapChosen: bool = False
    heatVisible: bool = True
    heatOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.4
    heatThreshold: Annotated[float, WithinRange(0.0, 1.0)] = 0.1
    outlines2D: bool = True
    surfaces3D: bool = False
    corrections: bool = False
    flips: bool = True
    preview: bool = True
    folds: str = ""


class CardiacUQWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Puts the panels together: model, run, display, review."""

    logic: CardiacUQLogic

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self._parameters: CardiacUQParameterNode | None = None
        self._gui_tag: int | None = None
        self._volume: vtkMRMLScalarVolumeNode | None = None

    def setup(self) -> None:
        """Build the panel; needs neither torch nor a main window."""
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/CardiacUQ.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = CardiacUQLogic()
        self.models = ModelPanel(self.ui)
        self.display = DisplayPanel(self.ui)
        self.runs = RunPanel(self.ui, self._prepare_run, self._take_result)
        self.review = ReviewPanel(self.ui, self.runs.guarded, self.toggle_heat_map)
        self.insertion = InsertionPanel(self.ui, lambda: self.review.session, self.runs.say)
        self.notice = FirstUseNotice(self.ui)
        self._connect()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.on_scene_start_close)
        self.addObserver(scene, scene.EndCloseEvent, self.on_scene_end_close)
        self.addObserver(scene, scene.EndImportEvent, self.on_scene_imported)
        self.addObserver(scene, scene.NodeRemovedEvent, self.on_node_removed)
        self._set_parameters(self.logic.getParameterNode())

    def _connect(self) -> None:
        ui = self.ui
        ui.loadCaseButton.connect("clicked(bool)", self.on_load_case)
        ui.installButton.connect("clicked(bool)", self.on_check_installation)
        ui.reportButton.connect("clicked(bool)", lambda checked=False: self._open_file("report.html"))
        ui.folderButton.connect("clicked(bool)", lambda checked=False: self._open_file(""))
        ui.resultsPath.filters = ctk.ctkPathLineEdit.Dirs
        ui.resultsPath.currentPath = str(computer.results_folder())
        ui.resultsPath.connect("currentPathChanged(QString)", computer.set_results_folder)
        computer.fill_device_selector(ui.deviceSelector)
        ui.deviceSelector.connect("activated(int)", self.on_device_chosen)
        ui.heatMapSelector.connect("activated(int)", self.on_heat_map_chosen)
        self.models.on_change.append(self._show_expectation)

    # -- life cycle

    def enter(self) -> None:
        """The module is chosen: keys, words under the cursor, devices."""
        if self._parameters is None or self._parameters.inputVolume is None:
            self._set_parameters(self.logic.getParameterNode())
        self.models.guess(self._chosen.inputVolume)
        self.review.install_shortcuts(slicer.util.mainWindow() or self.parent)
        self.display.watch_cursor()
        self.runs.warm_up()

    def exit(self) -> None:
        """Another module is chosen: a run ends, the keys are given back; the review stays open."""
        if self.runs.run is not None:
            self.runs.stop()
            self.runs.say(_("The module was left, so the run was ended; the scene is as it was."))
        self.runs.cool_down()
        self.review.remove_shortcuts()
        self.display.unwatch_cursor()

    def cleanup(self) -> None:
        """The module is unloaded or the application quits."""
        self._let_go()
        self.exit()
        self.removeObservers()

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

    def on_node_removed(self, caller: Any, event: str) -> None:
        """The user has deleted the case that is shown, or a part of it."""
        nodes = self.display.nodes
        if nodes is not None and not slicer.mrmlScene.IsNodePresent(nodes.segmentation):
            self.review.abandon()
            self._show_case(None)
        if self._parameters is not None and not slicer.mrmlScene.IsClosing():
            self.insertion.watch(self._volume)

    def _let_go(self) -> None:
        """End child processes and drop everything that refers to the scene."""
        self.runs.stop()
        self.insertion.stop()
        self.review.close()
        self.review.drop_editor_node()
        self._show_case(None)
        self._set_parameters(None)
        self.models.forget_choice()

    def _set_parameters(self, parameters: CardiacUQParameterNode | None) -> None:
        if self._parameters is not None:
            self._parameters.disconnectGui(self._gui_tag)
            self.removeObserver(self._parameters, vtk.vtkCommand.ModifiedEvent, self.on_parameters)
        self._parameters, self._volume = parameters, None
        if parameters is None:
            return
        if parameters.inputVolume is None:
            parameters.inputVolume = self.logic.default_volume()
        self._gui_tag = parameters.connectGui(self.ui)
        self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self.on_parameters)
        if parameters.model:
            self.models.choose(parameters.model)
        self.on_parameters()

    @property
    def _chosen(self) -> CardiacUQParameterNode:
        return cast(CardiacUQParameterNode, self._parameters)  # there is a scene when a button is pressed

    def on_parameters(self, caller: Any = None, event: str = "") -> None:
        """Something in the parameter node changed."""
        if self._parameters is None:
            return
        volume = self._parameters.inputVolume
        if volume is not self._volume:
            self._volume = volume
            self.models.guess(volume)
            self.insertion.watch(volume)
            if volume is not None and self.parent.isEntered:
                self.runs.warm_up()
            self._take_up(find_case(volume) if volume is not None else None)
        self.display.apply(self._parameters)
        self._show_expectation()

    def _take_up(self, nodes: CaseNodes | None) -> None:
        """Go on with the case that the scene holds for the chosen volume."""
        self.review.close()
        self._show_case(nodes)
        if nodes is not None and (folder := nodes.folder) is not None and folder.is_dir():
            self.runs.guarded(lambda: self._open_review(nodes, self.logic.read_case(folder)))

    def _open_review(self, nodes: CaseNodes, case: CaseMaps) -> None:
        self.review.open(nodes, case)
        if insertion_ras(nodes.volume) is not None:
            self.insertion.count()

    # -- running

    def _prepare_run(self) -> tuple[vtkMRMLScalarVolumeNode, RunOptions, int]:
        """Volume, options and number of passes; raises CardiacUQError with what to do."""
        parameters, bundle = self._chosen, self.models.bundle
        inputfile.check_volume(parameters.inputVolume)
        if bundle is None:
            raise ModelError(self.ui.modelLabel.text)
        requirements = Path(self.resourcePath("requirements.txt"))
        if dependencies.missing(requirements):
            dependencies.install(requirements)
        parameters.model = bundle.folder.name
        device = computer.chosen_device()
        options = RunOptions(
            bundle.folder,
            device,
            parameters.folds,
            parameters.flips,
            parameters.preview,
            insertion_ras(parameters.inputVolume),
        )
        return parameters.inputVolume, options, self.models.passes(parameters.folds, parameters.flips)

    def _take_result(self, nodes: CaseNodes | None, case: CaseMaps | None) -> None:
        """A run has shown a preview, its final case, or taken the preview back."""
        self.review.close()
        self._show_case(nodes)
        if nodes is not None and case is not None:
            self._open_review(nodes, case)
        elif nodes is not None:
            self.ui.headlineLabel.text = _("Preview of one fold; the ensemble follows.")

    def _show_case(self, nodes: CaseNodes | None) -> None:
        """Let display, measurements and buttons refer to these nodes."""
        self.display.show_case(nodes)
        if nodes is not None and not self._chosen.heatMapChosen:
            offered = next(iter(heat_map_choices(nodes)), None)
            self._chosen.heatMap = HeatMapChoice(offered) if offered else self._chosen.heatMap
        self.display.apply(self._parameters)
        self.ui.measuresTable.setMRMLTableNode(nodes.measures if nodes else None)
        folder = nodes.folder if nodes else None
        self.ui.folderButton.enabled = folder is not None and folder.is_dir()
        self.ui.reportButton.enabled = folder is not None and (folder / "report.html").is_file()

    def _show_expectation(self) -> None:
        """The line under the button: device and expected time."""
        if (parameters := self._parameters) is not None:
            slices = self.logic.slice_count(parameters.inputVolume)
            passes = self.models.passes(parameters.folds, parameters.flips)
            self.ui.deviceLabel.text = computer.device_line(slices, passes)

    # -- buttons

    def on_load_case(self, checked: bool = False) -> None:
        """Review a case folder; needs no torch."""
        title, start = _("Case folder"), str(computer.results_folder())
        folder = qt.QFileDialog.getExistingDirectory(self.parent, title, start)
        if folder:
            self.runs.guarded(lambda: self.load_case(Path(folder)))

    def load_case(self, folder: Path) -> None:
        """Show a case folder on its volume, which is loaded if need be; raises CardiacUQError."""
        case = self.logic.read_case(folder)
        volume, nodes = case_file.show_on_its_volume(case, self._chosen.inputVolume)
        align_views(nodes)
        self._volume = None
        self._chosen.inputVolume = volume
        self.on_parameters()
        self.runs.say(_("Case {name} is open.").format(name=case.name))

    def on_device_chosen(self, index: int) -> None:
        """Keep the device for this computer."""
        computer.choose_device(self.ui.deviceSelector.itemData(index))
        self._show_expectation()

    def on_heat_map_chosen(self, index: int) -> None:
        """From now on the user's choice, not the one that the model's evaluation found best."""
        if self._parameters is not None:
            self._parameters.heatMapChosen = True

    def on_check_installation(self, checked: bool = False) -> None:
        """Tell what is here and offer to install what is missing."""
        requirements = Path(self.resourcePath("requirements.txt"))
        if dependencies.missing(requirements):
            self.runs.guarded(lambda: dependencies.install(requirements))
        self.ui.logButton.checked = True
        self.ui.logView.plainText = dependencies.report(requirements)

    def toggle_heat_map(self) -> None:
        """The key H."""
        if self._parameters is not None:
            self._parameters.heatVisible = not self._parameters.heatVisible

    def _open_file(self, name: str) -> None:
        if (nodes := self.display.nodes) is not None and nodes.folder is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(nodes.folder / name)))


class CardiacUQLogic(ScriptedLoadableModuleLogic):
    """The module without its widget: for scripts and for the self-test."""

    def getParameterNode(self) -> CardiacUQParameterNode:
        """The scene's one parameter node, typed."""
        return CardiacUQParameterNode(super().getParameterNode())

    def default_volume(self) -> vtkMRMLScalarVolumeNode | None:
        """The volume to begin with: the one in the background of the views, else the first that fits."""
        ours = {volume.GetID() for nodes in all_cases() for volume in nodes.maps.values()}
        shown = [n.GetBackgroundVolumeID() for n in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")]
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        fitting = [
            volume
            for volume in volumes
            if volume.GetClassName() == "vtkMRMLScalarVolumeNode" and volume.GetID() not in ours
        ]
        return next(iter(sorted(fitting, key=lambda volume: volume.GetID() not in shown)), None)

    def slice_count(self, volume: vtkMRMLScalarVolumeNode | None) -> int | None:
        """Number of slices of a volume, None without one."""
        return min(image.GetDimensions()) if volume and (image := volume.GetImageData()) else None

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
