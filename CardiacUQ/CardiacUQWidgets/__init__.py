"""The panels of the module's widget, one file each; `CardiacUQ.py` puts them together.

Imported by CardiacUQ.py alone. Uses qt and slicer for what is on the screen, CardiacUQScene for everything
in the scene and CardiacUQLib for the rest. Nothing here imports torch or any package that Slicer lacks.

| file | purpose |
| --- | --- |
| run.py | one segmentation in a child process, without Qt: start, tick, cancel, hand over the case |
| run_panel.py | the Run section: button, bar, messages, log |
| launch.py | interpreter, environment and folder of child processes |
| inputfile.py | the file that the child process reads for a volume of the scene |
| case_file.py | a case folder onto its volume, which is loaded if need be |
| view_state.py | what the slice views show, to be put back after a cancelled run |
| model_panel.py | choice of the bundle, its model card |
| contrast.py | late enhancement or cine: sequence, DICOM header, name |
| insertion_panel.py | the RV insertion, from which AHA segments are counted |
| notice.py | research use only, shown once |
| display_panel.py | heat map, opacity, threshold, outlines, words under the cursor |
| review_panel.py | the queue of doubtful regions: buttons, keys, Segment Editor |
| computer.py | devices found, expected time, settings that belong to this computer |
| dependencies.py | what is missing, and its installation when the user agrees |
| startup.py | what the application gets from the module when it has started |
| samples.py | the two phantoms in Slicer's Sample Data |
| selftest.py | what the module's self-test does |
"""
