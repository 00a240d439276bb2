"""Real processes, really killed: whatever dies, a run ends with every photo in it once."""

from __future__ import annotations

import importlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seewhy
from seewhy.datasets.question import ModelArguments
from seewhy.datasets.reading import Run
from seewhy.datasets.shards import Counts, Task
from seewhy.datasets.workers import Supervisor, WorkerDied, WorkerProcess
from seewhy.errors import ModelError, OutputError
from tests.datasets.made import CHOKES, HANGS, KILLS, NAME, SETTINGS, paint, save_photos
from tests.places import ROOT


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's module is found from the project's folder."""
    monkeypatch.chdir(ROOT)


def run(folder: Path, out: str = "run", **settings: Any) -> Run:
    settings = {"shard_size": 16, "batch_size": 4, "workers": 2, "top": 1} | settings
    return seewhy.batch(NAME, folder / "photos", folder / out, settings=SETTINGS, **settings)


def children(process: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False
    )
    return [int(one) for one in found.stdout.split()]


def maps_by_photo(run: Run) -> dict[int, bytes]:
    table = run.table()
    ids = table["photo_id"].to_pylist()
    assert len(ids) == len(set(ids))
    return dict(
        zip(ids, (np.array(one).tobytes() for one in table["heatmap"].to_pylist()), strict=True)
    )


def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 40)
    told: list[tuple[int, int]] = []
    two = run(tmp_path, progress=lambda *now: told.append(now))
    alone = run(tmp_path, "alone", workers=0)
    assert told[-1] == (40, 40)
    assert two.plan.fingerprint == alone.plan.fingerprint
    assert maps_by_photo(two) == maps_by_photo(alone)


def test_a_photo_that_kills_its_worker_is_found_and_the_others_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEWHY_TEST_LOADS", str(tmp_path / "loads"))
    paths = save_photos(tmp_path / "photos", 40)
    for number in (3, 9, 30):  # broken in other ways: 5 % and more
        paths[number].write_bytes(paths[number].read_bytes()[:60])
    paint(paths[12], CHOKES)
    paint(paths[21], KILLS)
    told: list[tuple[int, int]] = []
    found = run(tmp_path, progress=lambda *now: told.append(now))
    assert told[-1] == (40, 40)
    assert found.counts == {"photos": 40, "failed": 5, "rows": 40}
    assert [(row.photo_id, row.error_kind) for row in found.failures] == [
        (3, "unreadable"),
        (9, "unreadable"),
        (12, "not-finite"),
        (21, "worker-died"),
        (30, "unreadable"),
    ]
    died = found.failures[3].error or ""
    assert died.startswith("The process that explained this photo died (signal 9), each time")
    loads = [int(line) for line in (tmp_path / "loads").read_text().split()]
    assert len([one for one in loads if one != os.getpid()]) == 2 + 2  # two deaths, no more
    monkeypatch.delenv("SEEWHY_TEST_LOADS")
    paths[21].write_bytes(paths[0].read_bytes())
    whole = run(tmp_path, "whole", workers=0)
    ok = {key: value for key, value in maps_by_photo(whole).items() if key != 21}
    assert {key: value for key, value in maps_by_photo(found).items() if key != 21} == ok


class Impatient(WorkerProcess):
    """A worker process that has all the time to load the network, and then little."""

    def _started(self) -> subprocess.Popen[str]:
        self.timeout = 300
        process = super()._started()
        self.timeout = 3
        return process


def test_a_worker_that_hangs_is_killed_and_one_that_is_slow_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow photo takes longer than a worker may say nothing, in more than 30 passes."""
    paths = save_photos(tmp_path / "photos", 2)
    paint(paths[0], HANGS)
    module = importlib.import_module("seewhy.datasets.batch")
    monkeypatch.setattr(module, "WorkerProcess", Impatient)
    monkeypatch.setenv("SEEWHY_TEST_DELAY", "0.1")
    options = {"method": "occlusion", "patch": 2, "stride": 1}
    started = time.monotonic()
    found = run(tmp_path, workers=1, shard_size=2, batch_size=2, **options)
    assert time.monotonic() - started > 2 * 3 + 3
    assert found.counts == {"photos": 2, "failed": 1, "rows": 2}
    (row,) = found.failures
    assert (row.photo_id, row.error_kind) == (0, "worker-hung")
    assert row.error == (
        "The process that explained this photo hung (no progress for 3 seconds), each time it was "
        "tried. Give it more time with worker_timeout (--worker-timeout), or remove the photo."
    )


def test_a_network_that_hangs_while_it_is_loaded_is_told(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 1)
    made = run(tmp_path, workers=0)
    model = ModelArguments.of(NAME.replace("fragile", "sleeping"), SETTINGS)
    with pytest.raises(ModelError) as raised:
        WorkerProcess(made.folder, model, timeout=1).run(Task(0, 0, 1), lambda _: None)
    assert str(raised.value) == (
        "A worker has not loaded the network within 1 seconds. Give it more with worker_timeout "
        "(--worker-timeout), or run without workers to see what it waits for."
    )


def test_a_worker_that_dies_at_no_photo_is_an_error_of_the_run(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 1)
    made = run(tmp_path, workers=0)

    class Dying(WorkerProcess):
        def run(self, task: Task, advance: Callable[[int], None]) -> Counts:
            raise WorkerDied("signal 9", (), hung=False)

    assert made.question.model is not None
    worker = Dying(made.folder, made.question.model)
    with pytest.raises(ModelError, match=r"^A worker died \(signal 9\) 2 times while it was at no"):
        Supervisor(made.items, worker).run(Task(0, 0, 1), lambda _: None)


def drivers(folder: Path, out: str, workers: int) -> list[str]:
    return [
        sys.executable, "-m", "seewhy", "batch", str(folder / "photos"), "--out",
        str(folder / out), "--model", NAME, "--labels", str(folder / "labels.txt"),
        "--preprocess", "unit", "--top", "1", "--shard-size", "16", "--batch-size", "4",
        "--workers", str(workers),
    ]  # fmt: skip


@pytest.fixture
def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return os.environ | {"PYTHONPATH": path, "SEEWHY_TEST_DELAY": "0.05"}


def test_killed_at_random_moments_and_resumed_a_run_is_as_if_nothing_happened(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """At each moment the driver or one of its workers is killed, in the middle of whatever it does.

    SEEWHY_TEST_KILLS is the number of moments: 4 unless given.
    """
    save_photos(tmp_path / "photos", 96)
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    dice = random.Random(1)
    command = drivers(tmp_path, "run", 2)
    slow = environment | {"SEEWHY_TEST_DELAY": "0.3"}
    driver: subprocess.Popen[bytes] | None = None
    for moment in range(int(os.environ.get("SEEWHY_TEST_KILLS", "4"))):
        if driver is None:
            driver = subprocess.Popen(
                command, env=slow, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        time.sleep(dice.uniform(0.5, 4.0))
        workers = children(driver.pid)
        if workers and moment % 2:
            os.kill(dice.choice(workers), signal.SIGKILL)  # the driver starts another
            continue
        driver.kill()
        _, complaint = driver.communicate()
        assert b"Traceback" not in complaint, (moment, complaint.decode())
        driver = None
    if driver is not None:
        driver.kill()
        driver.communicate()
    calm = environment | {"SEEWHY_TEST_DELAY": "0"}
    last = subprocess.run(command, env=calm, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert "96 photos\t0 failed\t96 rows" in last.stdout
    found = seewhy.read_run(tmp_path / "run")
    assert sorted(maps_by_photo(found)) == list(range(96))
    whole = run(
        tmp_path, "whole", workers=0,
    )  # fmt: skip
    assert maps_by_photo(found) == maps_by_photo(whole)
    names = {one.name for one in (tmp_path / "run").iterdir()}
    assert not [name for name in names if name.startswith(".tmp")]
    assert "_SUCCESS.json" in names


def test_workers_end_with_their_driver(tmp_path: Path, environment: dict[str, str]) -> None:
    save_photos(tmp_path / "photos", 96)
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    slow = environment | {"SEEWHY_TEST_DELAY": "2"}
    driver = subprocess.Popen(
        drivers(tmp_path, "run", 1), env=slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while not (workers := children(driver.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers
    time.sleep(1)
    driver.kill()
    driver.wait()
    while time.monotonic() < deadline and Path(f"/proc/{workers[0]}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{workers[0]}").exists()


def test_a_network_that_workers_cannot_load_is_an_error_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seewhy.datasets.storage import Folder

    save_photos(tmp_path / "photos", 4)
    made = run(tmp_path)
    model = ModelArguments.of(NAME.replace("made:fragile", "made:nothing"), SETTINGS)
    worker = WorkerProcess(Folder.of(tmp_path / "run"), model)
    with pytest.raises(seewhy.SeewhyError, match="nothing"):
        worker.run(Task(0, 0, 4), lambda _: None)
    worker.close()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match=r"A worker died while it loaded the network \(exit code"):
        WorkerProcess(made.folder, model).run(Task(0, 0, 4), lambda _: None)


@pytest.mark.parametrize(
    ("builder", "settings", "difference"),
    [
        (
            "fragile",
            {"labels": ["red", "cyan", "blue"]},
            "labels: class 1 is 'green' there, 'cyan'",
        ),
        ("fragile", {"preprocess": "none"}, "preprocess: 'unit' there, 'none' now"),
        ("squaring", {}, "scores: the same image has other scores than before"),
    ],
)
def test_a_network_that_is_not_the_runs_is_refused_by_workers(
    tmp_path: Path, builder: str, settings: dict[str, Any], difference: str
) -> None:
    from seewhy.datasets.plan import load_job
    from seewhy.datasets.storage import Folder

    save_photos(tmp_path / "photos", 4)
    run(tmp_path)
    model = ModelArguments.of(NAME.replace("fragile", builder), SETTINGS | settings)
    message = rf"is not the network that the run was made with: {difference}.* same file\.$"
    with pytest.raises(ModelError, match=message):
        load_job(Folder.of(tmp_path / "run"), model)


def test_a_run_does_not_go_on_with_other_labels_or_another_network(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 4)
    run(tmp_path, workers=0)
    for name, settings, difference in (
        (NAME, {"labels": ["red", "cyan", "blue"]}, "labels: class 1 is 'green' there, 'cyan' now"),
        (NAME.replace("fragile", "squaring"), {}, "scores: the same image has other scores"),
    ):
        with pytest.raises(OutputError, match=f"another run. The difference: {difference}"):
            seewhy.batch(
                name, tmp_path / "photos", tmp_path / "run", settings=SETTINGS | settings,
                shard_size=16, batch_size=4, top=1,
            )  # fmt: skip


def test_code_that_a_run_names_is_not_started(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 4)
    model = run(tmp_path, workers=0).question.model
    assert model is not None
    with pytest.raises(ModelError) as raised:
        model.stored()
    assert str(raised.value) == (
        f"The run names the network '{NAME}', which is code, and a run may come from anybody: "
        f"seewhy does not start it. Give the network yourself: --model {NAME}"
    )


@pytest.mark.parametrize("setting", ["name", "self", "nosuch"])
def test_a_setting_that_no_network_has_is_refused_in_a_run(setting: str) -> None:
    with pytest.raises(ModelError) as raised:
        ModelArguments("built-in", {setting: "python:os:system"}, "/").stored()
    assert str(raised.value) == (
        f"The run gives its network the setting '{setting}', which does not exist. Give the "
        "network yourself: --model built-in"
    )


def test_files_of_a_runs_network_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("net.keras", "names.txt", "w.h5"):
        Path(name).touch()
    model = ModelArguments.of(
        "mobilenet?weights=w.h5&alpha=0.5", {"labels": "names.txt", "size": 8}
    )
    file = ModelArguments.of("net.keras", {})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    name, settings = model.stored()
    assert name == f"mobilenet?weights={tmp_path / 'w.h5'}&alpha=0.5"
    assert settings == {"labels": str(tmp_path / "names.txt"), "size": 8}
    assert file.stored() == (str(tmp_path / "net.keras"), {})
    assert Path.cwd() == tmp_path / "elsewhere"
