"""The container recipe and the job of Docs/container.md, read: what a build refuses, what must not be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
RECIPE = (REPOSITORY / "Dockerfile").read_text("utf-8")
PAGE = (REPOSITORY / "Docs" / "container.md").read_text("utf-8")
INSTRUCTIONS = ("ARG", "FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "CMD")


def _steps() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", RECIPE)
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2]) for line in lines]


def test_every_line_is_an_instruction() -> None:
    assert {name for name, _ in _steps()} <= set(INSTRUCTIONS)
    assert _steps()[0][0] == "ARG" and [name for name, _ in _steps()].count("FROM") == 2


def test_it_ends_as_a_user_without_rights() -> None:
    users = [rest for name, rest in _steps() if name == "USER"]
    assert users == ["cardiacuq"]
    assert "--uid 10001" in RECIPE and "sudo" not in RECIPE
    after = _steps()[[name for name, _ in _steps()].index("USER") :]
    assert {name for name, _ in after} == {"USER", "WORKDIR", "CMD"}, "nothing is installed afterwards"


def test_it_copies_what_the_wheel_is_made_of_and_nothing_else() -> None:
    allowed = [
        line[1:] for line in (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines() if line[0] == "!"
    ]
    needed = {"CardiacUQ", "CardiacUQTraining", "Resources/Models", "setup.py", "constraints.txt"}
    assert needed <= set(allowed)
    assert not {"Testing", ".git", "Docs"} & set(allowed)
    assert all((REPOSITORY / name).exists() for name in allowed if name != "wheels")


def test_its_extras_exist_and_torch_is_pinned() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    (asked,) = re.findall(r"/source\[([a-z,]+)\]", RECIPE)
    assert set(asked.split(",")) <= set(project["optional-dependencies"])
    assert "grep '^torch==' /source/constraints.txt" in RECIPE


def test_nothing_is_fetched_but_by_package_managers() -> None:
    assert not re.search(r"\b(curl|wget|git clone|ADD|https?://)", RECIPE)


def test_the_kubernetes_job_is_one() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] in ("Never", "OnFailure"), "a job takes no other"
    (container,) = pod["containers"]
    assert container["command"][0] == "cardiacuq"
    names = {one["name"] for one in container["volumeMounts"]}
    assert names <= {one["name"] for one in pod["volumes"]}
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
