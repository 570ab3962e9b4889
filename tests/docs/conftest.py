"""The repository as the doc tests see it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {".git", ".venv", "var", "__pycache__", "build", "dist", ".hypothesis"}


def our_files(suffix: str = "") -> list[Path]:
    """Every file of the checkout that we wrote (not caches, not the demo's), by its ending."""
    return sorted(
        path
        for path in ROOT.rglob(f"*{suffix}")
        if path.is_file() and not any(_is_not_ours(part) for part in path.relative_to(ROOT).parts)
    )


def _is_not_ours(part: str) -> bool:
    return part in NOT_OURS or part.endswith(("_cache", ".egg-info"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def files():
    return our_files


@pytest.fixture(scope="session")
def generate(root: Path) -> ModuleType:
    """docs/generate.py, which is no package."""
    spec = importlib.util.spec_from_file_location("docs_generate", root / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
