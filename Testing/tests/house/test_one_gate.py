"""Every foreign image goes through one gate: nothing else opens image files or DICOM."""

from __future__ import annotations

import ast

from house_fixtures import Source, sources_of

READERS = {
    "ReadImage",
    "ImageFileReader",
    "ImageSeriesReader",
    "dcmread",
    "read_file",
    "read_partial",
    "imread",
    "segread",
    "srread",
}
"""Calls that open an image, whatever module they come from."""
MODULES = {"nibabel", "nrrd", "itk", "imageio", "dicom2nifti", "gdcm"}
DECODER = "CardiacUQLib.images.dicom_decode"
"""The only place where native code sees foreign bytes: in a process of its own."""


def test_nothing_reads_an_image_beside_the_gate(sources: list[Source]) -> None:
    wrong = []
    for source in sources:
        wrong += [
            f"{source.module}:{i.line} {i.target}"
            for i in source.imports
            if i.target.split(".")[0] in MODULES
        ]
        if not source.module.startswith("CardiacUQLib.images."):
            wrong += [f"{source.module}:{line} {name}" for line, name in readers_in(source.tree)]
    assert not wrong


def test_within_the_gate_only_the_decoder_lets_native_code_read() -> None:
    found = {
        (source.module, name)
        for source in sources_of("CardiacUQLib")
        if source.module.startswith("CardiacUQLib.images.")
        for _, name in readers_in(source.tree)
    }
    assert found == {(DECODER, "ImageFileReader"), ("CardiacUQLib.images.dicom_headers", "dcmread")}


def readers_in(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and name of every use of one of :data:`READERS`, called, imported or passed on."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in READERS:
            found.append((node.lineno, node.attr))
        elif isinstance(node, ast.Name) and node.id in READERS:
            found.append((node.lineno, node.id))
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, alias.name) for alias in node.names if alias.name in READERS]
    return found


def test_the_search_finds_what_it_forbids() -> None:
    tree = ast.parse("import SimpleITK as sitk\nx = sitk.ReadImage(p)\nfrom pydicom import dcmread as d\n")
    assert sorted(name for _, name in readers_in(tree)) == ["ReadImage", "dcmread"]
