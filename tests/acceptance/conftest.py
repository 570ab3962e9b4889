"""The real thing: `gateway demo` as a process of its own, in a home of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

GATEWAY = Path(sys.executable).with_name("gateway")
PATIENCE_SECONDS = 60


@dataclass
class Demo:
    """A running demo."""

    home: Path
    process: subprocess.Popen[bytes]

    @property
    def endpoints(self) -> dict[str, Any]:
        return json.loads((self.home / "endpoints.json").read_text())

    def gateway(self, *args: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [GATEWAY, "--home", str(self.home), *args],
            input=input, capture_output=True, text=True, timeout=60, check=False,
        )

    def json(self, *args: str) -> Any:
        done = self.gateway(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def _wait_for(look: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """What *look* gives once it is true; a bounded wait on another process, not a guess at its speed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


def _start_demo(home: Path) -> Demo:
    with (home.parent / f"{home.name}.out").open("ab") as out:
        process = subprocess.Popen(
            [GATEWAY, "--home", str(home), "demo"], stdout=out, stderr=subprocess.STDOUT
        )
    demo = Demo(home, process)
    try:
        _wait_for(
            lambda: (home / "endpoints.json").exists() or process.poll() is not None,
            "the demo to answer",
        )
        assert process.poll() is None, (home.parent / f"{home.name}.out").read_text()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = _start_demo(tmp_path_factory.mktemp("demo") / "home")
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., Any]:
    return _wait_for


@pytest.fixture
def start_demo() -> Iterator[Callable[[Path], Demo]]:
    """Starts demos; ends those a test left running."""
    started: list[Demo] = []

    def start(home: Path) -> Demo:
        started.append(_start_demo(home))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.stop()
