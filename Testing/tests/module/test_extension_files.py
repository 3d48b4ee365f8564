"""What Slicer reads before any code runs: CMake lists, command-line module, index entry, tables, icons."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE = REPOSITORY / "CardiacUQ"
CLI = MODULE / "CLI" / "CardiacUQSegment"
SCHEMA_TYPES = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "dicom_support_rule": str,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
"""Properties of slicer-extension-catalog-entry-schema-v1.0.2; it allows no others."""


def _import(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _cmake_set(name: str) -> list[str]:
    text = (MODULE / "CMakeLists.txt").read_text("utf-8")
    return re.search(rf"set\({name}\n(.*?)\n  \)", text, re.DOTALL)[1].split()


def test_every_file_of_the_module_is_installed():
    scripts, resources = _import(REPOSITORY / "Tools/make_cmake_list.py").installed_files()
    hint = "run python Tools/make_cmake_list.py"
    assert _cmake_set("MODULE_PYTHON_SCRIPTS") == scripts, hint
    assert _cmake_set("MODULE_PYTHON_RESOURCES") == resources, hint
    assert "CardiacUQ.py" in scripts and "Resources/UI/CardiacUQ.ui" in resources


def test_only_the_command_line_script_looks_like_a_program():
    starts = {path: path.read_bytes()[:2] for path in MODULE.rglob("*.py")}
    assert [path.name for path, start in starts.items() if start == b"#!"] == ["CardiacUQSegment.py"]


def _xml_parameters() -> dict[str, ElementTree.Element]:
    root = ElementTree.parse(CLI / "CardiacUQSegment.xml").getroot()
    kinds = {"image", "string", "string-enumeration", "boolean", "file", "directory", "integer", "point"}
    found = [node for group in root.findall("parameters") for node in group if node.tag in kinds]
    return {node.findtext("name"): node for node in found}


def test_the_xml_describes_the_scripts_parameters():
    actions = _import(CLI / "CardiacUQSegment.py").parser()._actions
    actions = {action.dest: action for action in actions if action.dest != "help"}
    described = _xml_parameters()
    assert set(described) == set(actions)
    for name, action in actions.items():
        node = described[name]
        if action.option_strings:
            assert action.option_strings == ["--" + node.findtext("longflag")], name
        else:
            assert node.findtext("index") == "0", name
        if node.tag == "boolean":
            assert (action.const, action.default, node.findtext("default")) == (True, False, "false"), name
        elif node.tag == "string-enumeration":
            assert [element.text for element in node.findall("element")] == action.choices, name
            assert node.findtext("default") == action.default, name
        elif node.tag == "point":
            assert (node.get("multiple"), node.get("coordinateSystem")) == ("false", "ras"), name
        elif node.tag == "string":
            assert (node.findtext("default") or "") == action.default, name
        else:
            assert action.type is Path and action.default is None, name
            outputs = {"inputVolume": "input", "modelFolder": "input"}
            assert node.findtext("channel") == outputs.get(name, "output"), name


def test_the_xml_offers_the_bundles_that_are_shipped():
    offered = [element.text for element in _xml_parameters()["model"].findall("element")]
    shipped = [path.parent.name for path in REPOSITORY.glob("Resources/Models/*/manifest.json")]
    assert sorted(offered) == sorted(shipped)


def test_the_index_entry_satisfies_the_schema():
    raw = (REPOSITORY / "CardiacUQ.json").read_bytes()
    entry = json.loads(raw)
    assert b"\r" not in raw
    assert {"$schema", "category", "scm_url"} <= set(entry) <= set(SCHEMA_TYPES)
    assert all(isinstance(value, SCHEMA_TYPES[key]) for key, value in entry.items())
    assert 1 <= entry["tier"] <= 5 and "v1.0.2" in entry["$schema"]
    assert Path(entry["scm_url"]).name.startswith("Slicer")


def test_the_index_entry_agrees_with_the_extensions_cmake():
    entry = json.loads((REPOSITORY / "CardiacUQ.json").read_text("utf-8"))
    text = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
    assert re.search(r'EXTENSION_DEPENDS "([^"]*)"', text)[1].split() == entry["build_dependencies"]
    homepage = re.search(r'EXTENSION_HOMEPAGE "([^"]*)"', text)[1]
    assert entry["scm_url"].removesuffix(".git") == homepage


def test_every_picture_that_the_extension_names_is_in_the_repository():
    text = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
    urls = re.findall(r"https://raw\.githubusercontent\.com/\S+?/main/([^\s\")]+)", text)
    assert len(urls) >= 2
    assert [url for url in urls if not (REPOSITORY / url).is_file()] == []


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("CardiacUQ", (128, 128)),
        ("CardiacUQLGEPhantom", (260, 280)),
        ("CardiacUQCinePhantom", (260, 280)),
    ],
)
def test_icons_have_the_sizes_that_slicer_expects(name, size):
    from PIL import Image

    with Image.open(MODULE / "Resources" / "Icons" / f"{name}.png") as image:
        assert image.size == size
        spread = [high - low for low, high in image.convert("RGB").getextrema()]
        assert min(spread) > 100, "an empty picture"


def test_colour_tables_and_terminology_are_those_of_the_classes():
    written = _import(REPOSITORY / "Tools/make_colours.py").files()
    assert len(written) == 3
    for path, content in written.items():
        assert path.read_text("utf-8") == content, "run python Tools/make_colours.py"


@pytest.mark.parametrize(("table", "classes"), [("LGE", LGE_CLASSES), ("Cine", CINE_CLASSES)])
def test_slicer_reads_the_colour_tables(table, classes):
    import slicer

    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLColorTableNode")
    storage = slicer.vtkMRMLColorTableStorageNode()
    storage.SetFileName(str(MODULE / "Resources" / "Colors" / f"CardiacUQ-{table}.csv"))
    assert storage.ReadData(node)
    for info in classes[1:]:
        colour = [0.0] * 4
        node.GetColor(info.value, colour)
        assert node.GetColorName(info.value) == info.name
        assert "#" + "".join(f"{round(c * 255):02X}" for c in colour[:3]) == info.colour
        assert node.GetTerminologyAsString(info.value).split("~")[2] == "^".join(
            (info.code.scheme, info.code.value, info.code.meaning)
        )


def test_slicer_reads_the_terminology():
    import slicer

    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    name = logic.LoadTerminologyFromFile(str(MODULE / "Resources" / "CardiacUQ.term.json"))
    assert name == "CardiacUQ"
    found = {}
    for number in range(logic.GetNumberOfCategoriesInTerminology(name)):
        category = slicer.vtkSlicerTerminologyCategory()
        assert logic.GetNthCategoryInTerminology(name, number, category)
        for index in range(logic.GetNumberOfTypesInTerminologyCategory(name, category)):
            kind = slicer.vtkSlicerTerminologyType()
            assert logic.GetNthTypeInTerminologyCategory(name, category, index, kind)
            code = (kind.GetCodingSchemeDesignator(), kind.GetCodeValue(), kind.GetCodeMeaning())
            found[code] = category.GetCodeMeaning()
    for info in (*LGE_CLASSES[1:], *CINE_CLASSES[1:]):
        grown = info.name in ("infarct", "MVO")
        expected = "Morphologically Altered Structure" if grown else "Anatomical Structure"
        assert found[info.code.scheme, info.code.value, info.code.meaning] == expected


def test_requirements_are_those_of_the_package_that_slicer_lacks():
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    lines = (MODULE / "Resources" / "requirements.txt").read_text("utf-8").splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    assert {re.match(r"[\w-]+", line)[0] for line in wanted} == {"torch", "safetensors"}
    assert wanted <= set(project)


def test_importing_the_widgets_brings_no_package_that_slicer_lacks():
    """What loading the module imports, in a process of its own with hollow shells for qt and slicer."""
    import subprocess

    program = """
import sys, types
class Hollow(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith('__'): raise AttributeError(name)
        return type(name, (), {'__init__': lambda self, *a, **k: None})
for name in ('qt', 'ctk', 'slicer.i18n', 'slicer.parameterNodeWrapper', 'slicer.ScriptedLoadableModule'):
    sys.modules[name] = Hollow(name)
sys.modules['slicer.parameterNodeWrapper'].parameterNodeWrapper = lambda cls: cls
sys.modules['slicer.i18n'].tr = sys.modules['slicer.i18n'].translate = lambda *a: a[-1]
import CardiacUQ
known = {'slicer', 'slicer_core', 'vtk', 'vtkmodules', 'numpy', 'scipy', 'SimpleITK', 'qt', 'ctk'}
ours = {'CardiacUQ', 'CardiacUQLib', 'CardiacUQScene', 'CardiacUQWidgets'}
import importlib.metadata as metadata
names = metadata.packages_distributions()
loaded = {n.split('.')[0] for n in sys.modules}
print(*sorted(n for n in loaded & set(names) if n not in known | ours))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=MODULE, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    brought = set(done.stdout.split())
    assert not brought & {
        "torch",
        "monai",
        "safetensors",
        "pydicom",
        "highdicom",
        "matplotlib",
        "jinja2",
        "typer",
    }
    brought -= {"charset_normalizer"}  # numpy's f2py takes it where it happens to be there
    assert not {name for name in brought if not name.startswith("_")}, brought
