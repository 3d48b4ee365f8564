"""A stand-in for Slicer's Qt side, for tests: `import qt, ctk, slicer` on PySide6 and slicer-core.

:func:`host.application.start` gives the modules, a scene and an application; then a scripted module is
loaded from its file, entered, left and unloaded as the application does it. With ``SLICER_SOURCE_DIR``
set, Slicer's own ScriptedLoadableModule, i18n and parameterNodeWrapper are used in place of ours.
"""
