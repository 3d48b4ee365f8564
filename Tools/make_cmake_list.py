"""Writes CardiacUQ/CMakeLists.txt from the tree: a file that is not listed is not installed.

`python Tools/make_cmake_list.py`; a test compares the file with the tree.
"""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MODULE = REPOSITORY / "CardiacUQ"
_NOT_INSTALLED = {"CMakeLists.txt"}
_ELSEWHERE = {"CLI"}
"""Folders with a CMakeLists.txt of their own."""

_TEMPLATE = """\
#-----------------------------------------------------------------------------
set(MODULE_NAME CardiacUQ)

#-----------------------------------------------------------------------------
# Written by Tools/make_cmake_list.py
set(MODULE_PYTHON_SCRIPTS
{scripts}
  )

set(MODULE_PYTHON_RESOURCES
{resources}
  )

#-----------------------------------------------------------------------------
slicerMacroBuildScriptedModule(
  NAME ${{MODULE_NAME}}
  SCRIPTS ${{MODULE_PYTHON_SCRIPTS}}
  RESOURCES ${{MODULE_PYTHON_RESOURCES}}
  WITH_GENERIC_TESTS
  )

#-----------------------------------------------------------------------------
# The model bundles lie in the repository's Resources, where the headless package finds them too.
file(COPY ${{CMAKE_CURRENT_SOURCE_DIR}}/../Resources/Models
  DESTINATION ${{CMAKE_BINARY_DIR}}/${{Slicer_QTSCRIPTEDMODULES_LIB_DIR}}/Resources
  )
install(DIRECTORY ${{CMAKE_CURRENT_SOURCE_DIR}}/../Resources/Models
  DESTINATION ${{Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}}/Resources
  COMPONENT RuntimeLibraries
  )

#-----------------------------------------------------------------------------
add_subdirectory(CLI/CardiacUQSegment)

#-----------------------------------------------------------------------------
if(BUILD_TESTING)
  # Registers CardiacUQTest, which is also in the module's "Reload and Test".
  slicer_add_python_unittest(SCRIPT ${{MODULE_NAME}}.py)
endif()
"""


def installed_files() -> tuple[list[str], list[str]]:
    """Scripts and resources below CardiacUQ that belong into the installed module."""
    scripts, resources = [], []
    for path in sorted(MODULE.rglob("*")):
        relative = path.relative_to(MODULE)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if not path.is_file() or hidden or relative.parts[0] in _ELSEWHERE or path.name in _NOT_INSTALLED:
            continue
        (scripts if path.suffix == ".py" else resources).append(relative.as_posix())
    return scripts, resources


def cmake_text() -> str:
    """The file's content for the tree as it is."""
    scripts, resources = installed_files()
    lines = ["\n".join(f"  {name}" for name in names) for names in (scripts, resources)]
    return _TEMPLATE.format(scripts=lines[0], resources=lines[1])


if __name__ == "__main__":
    (MODULE / "CMakeLists.txt").write_text(cmake_text(), encoding="utf-8", newline="\n")
