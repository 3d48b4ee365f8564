"""Training on several processes: the loss curve of one process, one writer, one decision to stop."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
import yaml
from lightning_fabric import Fabric
from test_loop import StopAfter
from tiny_cine import DEEPLAB, UNET, tiny, write_patient
from tiny_training import tiny_recipe
from torch import nn

import CardiacUQTraining
from CardiacUQLib.base.errors import ExitCode, UsageError
from CardiacUQTraining.datasets import open_dataset
from CardiacUQTraining.training.checkpoint import load_weights
from CardiacUQTraining.training.loop import EveryLevel, StageJob, StopRequest, train_stage
from CardiacUQTraining.training.optimisation import AveragedWeights, learning_rate, make_optimiser
from CardiacUQTraining.training.ranks import Launch, Ranks, launch_fabric
from CardiacUQTraining.training.recipe import RECIPE, read_recipe
from CardiacUQTraining.training.run import begin_run, check_shares, method_of, train_run
from CardiacUQTraining.training.run_folder import RunFolder
from CardiacUQTraining.training.sharing import SharedBatchNorm2d

RECIPES = Path(CardiacUQTraining.__file__).parent / "training" / "recipes"
STAGES = {"cascade": ("stage2d", "stage3d"), "streaming": ("ensemble",)}
LAUNCHERS = ("TORCHELASTIC_RUN_ID", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


class SignalledAfter(StopAfter):
    """Acts as if a signal had come in at the n-th time the loop looks."""

    def __bool__(self) -> bool:
        self.signalled = self.signalled or super().__bool__()
        return self.signalled


def write_recipes(folder: Path) -> None:
    """Networks with everything that could notice a shared batch: batch norm, dropout, uneven depths."""
    cascade = tiny_recipe() | {"locator": None}
    for stage in ("stage2d", "stage3d"):
        cascade[stage] |= {"batch": 3, "epochs": 2, "validate_every": 2}
        cascade[stage]["network"]["dropout"] = 0.3
        cascade[stage]["loss"]["deep_supervision"] = [1.0]
    cascade["stage3d"]["batch"] = 1  # as in the shipped recipes: the second process keeps in step
    cine = tiny(members=[UNET | {"dropout": 0.3}, DEEPLAB])
    cine["training"] |= {"batch": 3, "ema": 0.0}
    for kind, recipe in (("cascade", cascade), ("streaming", cine)):
        (folder / f"{kind}.yaml").write_text(yaml.safe_dump(recipe), "utf-8")


def train_both(folder: Path, data: Path) -> None:
    """What every process does, alone or with another: first the cascade, then the cine ensemble.

    With another one, rank 1 alone is asked to stop once; both must stop and go on together.
    """
    fabric = launch_fabric(torch.device("cpu"), "32-true")
    ranks = Ranks(fabric)
    for kind, layout in (("cascade", "emidec"), ("streaming", "acdc")):
        run = RunFolder(folder / f"{kind}-{ranks.count}")
        recipe, dataset = read_recipe(folder / f"{kind}.yaml"), open_dataset(layout, data / layout)

        def part(stop: StopRequest, run=run, recipe=recipe, dataset=dataset) -> bool:
            silent = lambda job, row: None  # noqa: E731
            return train_run(fabric, run, recipe, dataset, [0], resume=True, stop=stop, report=silent)

        if ranks.count > 1 and kind == "cascade":
            stop = SignalledAfter(3) if ranks.own == 1 else StopRequest()
            assert not part(stop)
            assert stop.signalled
        assert part(StopRequest())


def torchrun(*program: str | Path, **streams: object) -> subprocess.Popen[str]:
    """Two processes on this machine, launched as a user launches them."""
    own = [str(Path(__file__).parent), *sys.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(own), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.Popen([*command, *map(str, program)], env=environment, text=True, **streams)


def curve(stage_folder: Path) -> list[tuple[int, float]]:
    """Epochs and losses of a stage."""
    with (stage_folder / "log.csv").open(newline="") as file:
        return [(int(row["epoch"]), float(row["loss"])) for row in csv.DictReader(file)]


def losses(stage_folder: Path) -> list[float]:
    return [loss for _, loss in curve(stage_folder)]


@pytest.mark.timeout(900)
def test_two_processes_follow_the_loss_curve_of_one(tmp_path, emidec_like):
    data = tmp_path / "data"
    data.mkdir()
    (data / "emidec").symlink_to(emidec_like)
    for number, group in enumerate(["NOR", "NOR", "DCM", "DCM"]):
        write_patient(data / "acdc", f"patient{number:03d}", group, 3 + number)
    write_recipes(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nfrom pathlib import Path\nfrom test_several_processes import train_both\n"
        "train_both(*map(Path, sys.argv[1:]))\n"
    )
    process = torchrun(program, tmp_path, data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    train_both(tmp_path, data)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    for kind, stages in STAGES.items():
        for stage in stages:
            alone, shared = (RunFolder(tmp_path / f"{kind}-{n}").stage(0, stage) for n in (1, 2))
            assert [epoch for epoch, _ in curve(shared)] == [1, 2]
            assert losses(shared) == pytest.approx(losses(alone), rel=1e-5)
            ours, theirs = (load_weights(folder / "final.safetensors")[0] for folder in (alone, shared))
            assert ours.keys() == theirs.keys()
            for name, value in ours.items():
                torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=1e-4, msg=name)
    for stage in ("stage3d", "ensemble"):  # never interrupted: one writer leaves one file for TensorBoard
        (folder,) = tmp_path.glob(f"*-2/fold0/{stage}")
        assert len(list(folder.glob("events.*"))) == 1


TRAIN = """
import sys
from CardiacUQTraining.training import loop
from CardiacUQTraining.cli.app import main
loop.CHECKPOINT_SECONDS = 0.0
sys.exit(main())
"""


@pytest.mark.timeout(600)
def test_two_processes_measure_and_plan_alike(tmp_path, emidec_like):
    """What a step costs differs between them; the recipe that follows must not."""
    recipe, program, run = tmp_path / "tiny.yaml", tmp_path / "train.py", RunFolder(tmp_path / "run")
    recipe.write_text(yaml.safe_dump(tiny_recipe()), "utf-8")
    program.write_text(TRAIN, "utf-8")
    arguments = ["train", "cascade", "--data", emidec_like, "--recipe", recipe, "--folds", "0"]
    arguments += ["--device", "cpu", "-o", run.path, "--hours", "0.001"]
    process = torchrun(program, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.count("command   cardiacuq train") == 1 and "on each of 2 processes" in out
    assert any(line.startswith("epochs: ") for line in run.read_record()["planned"])
    assert run.final(0, "stage3d").exists()


@pytest.mark.timeout(900)
def test_a_killed_process_ends_the_run_and_resume_goes_on(tmp_path, emidec_like):
    """Kill one of two; resume with two; interrupt both; the curve is still that of one process."""
    values = tiny_recipe() | {"locator": None}
    values["stage2d"] |= {"epochs": 4000, "batch": 6, "validate_every": 4000}
    values["stage2d"]["optimiser"]["learning_rate"] = 1e-3
    recipe, program, run = tmp_path / "long.yaml", tmp_path / "train.py", RunFolder(tmp_path / "run")
    recipe.write_text(yaml.safe_dump(values), "utf-8")
    program.write_text(TRAIN, "utf-8")
    arguments = ["train", "cascade", "--data", emidec_like, "--recipe", recipe, "--folds", "0"]
    arguments += ["--device", "cpu", "-o", run.path, "--resume"]
    stage = run.stage(0, "stage2d")

    def start(epochs: int) -> subprocess.Popen[str]:
        process = torchrun(program, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not (stage / "log.csv").exists() or len(curve(stage)) < epochs:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        return process

    first = start(2)
    (victim,) = (p for p in psutil.Process(first.pid).children() if p.environ().get("RANK") == "1")
    victim.kill()
    out, err = first.communicate()
    assert first.returncode != 0
    assert "another process of this training ended" in err
    assert "--resume" in err
    assert "saved" not in out
    before = len(curve(stage))

    second = start(before + 2)
    second.send_signal(signal.SIGINT)
    out, _ = second.communicate()
    assert out.count("stopped, everything is saved") == 1
    assert sorted(p.name for p in stage.glob(".*")) == []

    reached = curve(stage)
    assert [epoch for epoch, _ in reached] == list(range(1, len(reached) + 1))
    alone = RunFolder(tmp_path / "alone")
    looks = 2 * len(reached)  # 12 slices are two batches
    dataset, plan = open_dataset("emidec", emidec_like), read_recipe(recipe)
    fabric = launch_fabric(torch.device("cpu"), "32-true")
    stop = StopAfter(looks)
    train_run(fabric, alone, plan, dataset, [0], resume=False, stop=stop, report=lambda job, row: None)
    expected = losses(alone.stage(0, "stage2d"))
    assert [loss for _, loss in reached] == pytest.approx(expected, rel=1e-4)


def test_one_process_trains_exactly_as_the_loop_written_out(tmp_path, emidec_like):
    values = tiny_recipe() | {"locator": None}
    values["stage2d"]["batch"] = 3
    recipe = read_recipe_of(values, tmp_path)
    run, dataset = RunFolder(tmp_path / "run"), open_dataset("emidec", emidec_like)
    fabric = Fabric(accelerator="cpu", devices=1)
    train_run(
        fabric, run, recipe, dataset, [0], resume=False, stop=StopRequest(), report=lambda job, row: None
    )

    method, stage = method_of(recipe), recipe.stage2d
    torch.manual_seed(recipe.seed * 1000)
    network = method.build("stage2d")
    held_out = begin_run(RunFolder(tmp_path / "other"), recipe, dataset, resume=False)
    crops = method.crops("stage2d", dataset, torch.device("cpu"))
    data = method.data("stage2d", 0, crops, held_out[0], run)
    job = StageJob("stage2d", 0, stage, tmp_path, recipe.seed)
    optimiser, average = make_optimiser(network, stage.optimiser), AveragedWeights(network, stage.ema)
    for step in range(12):  # 12 slices, 3 at a time, 3 epochs
        epoch, within = divmod(step, 4)
        samples = data.epoch(job.generator(epoch))[3 * within : 3 * within + 3]
        generator = job.generator(epoch, step)
        torch.manual_seed(int(torch.randint(0, 2**31, (1,), generator=generator)))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(stage.optimiser, step, 12)
        network.train()
        optimiser.zero_grad(set_to_none=True)
        data.loss(EveryLevel(network), samples, generator, epoch).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), stage.optimiser.gradient_clip)
        optimiser.step()
        average.update(network, step)
    found, _ = load_weights(run.final(0, "stage2d"))
    assert found.keys() == average.weights.keys()
    assert all(torch.equal(found[name], average.weights[name]) for name in found)


@pytest.mark.parametrize("full", [False, True])
def test_mixed_precision_reaches_a_deeply_supervised_network(tmp_path, emidec_like, full):
    """Unless its stage asks for float32."""
    values = tiny_recipe() | {"locator": None}
    values["stage2d"] |= {"full_precision": full, "epochs": 1}
    recipe = read_recipe_of(values, tmp_path)
    method, run, dataset = method_of(recipe), RunFolder(tmp_path / "run"), open_dataset("emidec", emidec_like)
    crops = method.crops("stage2d", dataset, torch.device("cpu"))
    network, seen = method.build("stage2d"), []
    data = method.data("stage2d", 0, crops, crops.cases.ids[:1], run)
    network.encoder[0].first.register_forward_hook(
        lambda layer, inputs, output: seen.append(output.dtype) if layer.training else None
    )
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    job = StageJob("stage2d", 0, recipe.stage2d, tmp_path / "job", recipe.seed)
    assert train_stage(fabric, job, network, data, StopRequest(), lambda job, row: None)
    assert set(seen) == {torch.float32 if full else torch.bfloat16}


def read_recipe_of(values: dict, folder: Path):
    """A recipe through its file, as the command reads it."""
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values), "utf-8")
    return read_recipe(folder / "recipe.yaml")


@pytest.fixture
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("said", "launch"),
    [
        ({}, Launch(1, 1)),
        ({"TORCHELASTIC_RUN_ID": "a", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, Launch(2, 4)),
        (
            {"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2", "SLURM_NTASKS_PER_NODE": "4"},
            Launch(2, 4),
        ),
        ({"SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "4"}, Launch(1, 1)),  # a batch script without srun
    ],
)
def test_the_launcher_is_recognised(no_launcher, said, launch):
    for name, value in said.items():
        no_launcher.setenv(name, value)
    assert Launch.detect() == launch


@pytest.mark.parametrize(
    "said",
    [
        {"TORCHELASTIC_RUN_ID": "a", "WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "2"},
        {"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_NUM_NODES": "2", "SLURM_NTASKS_PER_NODE": "2"},
        {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2"},
    ],
)
def test_an_uneven_launch_is_refused(no_launcher, said):
    for name, value in said.items():
        no_launcher.setenv(name, value)
    with pytest.raises(UsageError):
        Launch.detect()


def ranks(count: int) -> list[Ranks]:
    return [Ranks(SimpleNamespace(world_size=count, global_rank=own)) for own in range(count)]


@pytest.mark.parametrize(("count", "samples"), [(1, 5), (2, 5), (3, 3), (4, 7)])
def test_every_sample_is_of_one_rank_and_every_rank_has_one(count, samples):
    shares = [list(range(samples))[one.share(samples)] for one in ranks(count)]
    assert [number for share in shares for number in share] == list(range(samples))
    assert min(map(len, shares)) >= 1
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_every_shipped_recipe_can_be_shared_by_two_processes(recipe):
    check_shares(method_of(read_recipe(recipe)).stages(), 2)


def test_processes_that_would_idle_in_every_stage_are_refused_at_once(tmp_path, emidec_like):
    recipe = RECIPE.validate_python(tiny_recipe())
    most = max(stage.batch for stage in recipe.stages().values())
    fabric = SimpleNamespace(world_size=most + 1, global_rank=0, device=torch.device("cpu"))
    fabric.broadcast = lambda value: value
    run, dataset = RunFolder(tmp_path / "run"), open_dataset("emidec", emidec_like)
    with pytest.raises(UsageError, match=f"batches of at most {most} samples cannot be shared") as error:
        train_run(fabric, run, recipe, dataset, [0], resume=False, stop=StopRequest(), report=print)
    assert error.value.exit_code is ExitCode.USAGE and not run.path.exists()


def test_a_rank_without_a_sample_changes_no_statistics():
    """The working rank's sums are kept and added to what the idle one, which sees something else, sends."""
    torch.manual_seed(1)
    own, other = torch.randn(2, 3, 4, 4), torch.randn(1, 3, 4, 4)
    alone, sums, sent = nn.BatchNorm2d(3), [], []

    def keep(tensor):
        sums.append(tensor.clone())
        return tensor

    def add(tensor):
        sent.append(tensor.clone())
        return tensor.add_(sums[len(sent) - 1])

    working = SharedBatchNorm2d(nn.BatchNorm2d(3), SimpleNamespace(sum=keep))
    idle = SharedBatchNorm2d(nn.BatchNorm2d(3), SimpleNamespace(sum=add))
    idle.idle = True
    torch.testing.assert_close(working(own), alone(own))
    idle(other)
    assert len(sent) == 3 and not any(tensor.any() for tensor in sent)
    for layer in (working, idle):
        torch.testing.assert_close(layer.running_mean, alone.running_mean)
        torch.testing.assert_close(layer.running_var, alone.running_var)


def test_a_signal_to_one_rank_is_one_to_all():
    stop = StopRequest()
    assert not stop.agreed(SimpleNamespace(largest=lambda value: max(value, 0)))
    assert stop.agreed(SimpleNamespace(largest=lambda value: max(value, 1)))
    assert not stop.signalled
    assert stop.agreed(SimpleNamespace(largest=lambda value: max(value, 2)))
    assert stop.signalled


def test_a_signal_that_comes_while_the_ranks_are_asked_is_not_lost():
    stop = StopRequest()

    def interrupted(value: int) -> int:
        stop.signalled = True  # as the handler does, in the middle of the message to the other ranks
        return value

    assert not stop.agreed(SimpleNamespace(largest=interrupted))  # nobody had asked yet: all go on together
    assert stop.agreed(SimpleNamespace(largest=lambda value: value))
