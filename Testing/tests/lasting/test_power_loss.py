"""Power cuts, replayed: whatever the disk had by any moment, a case is the old one, the new one, or absent.

Names and contents reach the disk only by fsync. The order of renames and flushes of a real run is recorded
together with what was written by then; every state that a cut may leave is rebuilt and read.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from CardiacUQLib.base import safe_files
from CardiacUQLib.base.folder_swap import new_folders
from CardiacUQLib.base.leftovers import recover
from CardiacUQLib.base.safe_files import write_whole


class Disk:
    """What is on the disk for certain: contents by inode and names by folder, as of their last flush."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.contents: dict[int, bytes] = {}
        self.names: dict[int, dict[str, int]] = {}
        self.states: list[dict[str, bytes]] = []
        fsync, rename, replace = os.fsync, Path.rename, Path.replace

        def flushed(handle: int) -> None:
            fsync(handle)
            inode = os.fstat(handle).st_ino
            for path in [root, *root.rglob("*")]:
                if path.exists() and path.stat().st_ino == inode:
                    if path.is_dir():
                        self.names[inode] = {one.name: one.stat().st_ino for one in path.iterdir()}
                    else:
                        self.contents[inode] = path.read_bytes()
            self._keep()

        def renamed(way, path: Path, target: Path) -> Path:
            found = way(path, target)
            self._keep()
            return found

        monkeypatch.setattr(safe_files.os, "fsync", flushed)
        monkeypatch.setattr(Path, "rename", lambda path, target: renamed(rename, path, target))
        monkeypatch.setattr(Path, "replace", lambda path, target: renamed(replace, path, target))
        flushed_root = os.open(root, os.O_RDONLY)
        flushed(flushed_root)
        os.close(flushed_root)

    def _keep(self) -> None:
        """Two things a cut may leave now: only flushed names, or all names with flushed contents."""
        self.states += [self._tree(self.root, "", flushed) for flushed in (True, False)]

    def _tree(self, folder: Path, above: str, flushed: bool) -> dict[str, bytes]:
        by_inode = {path.stat().st_ino: path for path in self.root.rglob("*")}
        now = {path.name: path.stat().st_ino for path in folder.iterdir()}
        names = self.names.get(folder.stat().st_ino, {}) if flushed else now
        found: dict[str, bytes] = {}
        for name, inode in names.items():
            path = by_inode.get(inode)
            if path is not None and path.is_dir():
                found[f"{above}{name}/"] = b""
                found |= self._tree(path, f"{above}{name}/", flushed)
            elif path is not None or inode in self.contents:
                found[f"{above}{name}"] = self.contents.get(inode, b"")
        return found


def rebuilt(state: dict[str, bytes], place: Path) -> Path:
    for name, content in state.items():
        path = place / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(content)
    return place


def write_pair(folder: Path, text: str) -> None:
    with new_folders(folder, ("a", "b"), files=("ab.json",), overwrite=True, marker="mark") as made:
        for place in made[:2]:
            (place / "mark").write_text(text)
            (place / "deep").mkdir()
            (place / "deep" / "more").write_text(text)
        made[2].write_text(text)


def test_a_cut_leaves_the_old_study_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write_pair(out, "old")
    disk = Disk(out, monkeypatch)
    for path in sorted(out.rglob("*")):  # what stood before is on the disk
        safe_files.flush(path)
    safe_files.flush(out)
    disk.states.clear()
    write_pair(out, "new")
    monkeypatch.undo()
    wanted = {"a/mark", "b/mark", "a/deep/more", "b/deep/more", "ab.json"}
    seen = set()
    for number, state in enumerate(disk.states):
        place = rebuilt(state, tmp_path / f"cut{number}")
        recover(place)
        found = {p.relative_to(place).as_posix(): p.read_text() for p in place.rglob("*") if p.is_file()}
        found = {name: text for name, text in found.items() if name.rpartition("/")[2][:1] != "."}
        assert set(found) == wanted, number
        assert len(set(found.values())) == 1, f"cut {number}: old and new mixed"
        seen |= set(found.values())
    assert seen == {"old", "new"}
    assert len(disk.states) > 20


def test_a_cut_leaves_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write_whole(out / "review.json", "old")
    disk = Disk(out, monkeypatch)
    safe_files.flush(out / "review.json")
    safe_files.flush(out)
    disk.states.clear()
    write_whole(out / "review.json", "new")
    monkeypatch.undo()
    assert {state["review.json"] for state in disk.states} == {b"old", b"new"}
    assert disk.states[-1]["review.json"] == b"new", "once it returns the new one is on the disk"
