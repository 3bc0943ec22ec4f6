"""A wheel, an editable install and the bare checkout all find the filters and actions that ship."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pyparsing
import pytest

from tests.conftest import ROOT

SHIPPED = {
    (kind.removesuffix("s"), path.stem)
    for kind in ("filters", "actions")
    for path in (ROOT / kind).glob("*.toml")
}


def run(*words: str, cwd: Path | None = None, path: str = "") -> str:
    """Run a program, where there is no configuration, and give what it printed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["FW_GUARD_CONFIG"] = "/no-such-configuration"
    if path:
        environment["PYTHONPATH"] = path
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=cwd, env=environment, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    command = ("-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT))
    run(sys.executable, *command)
    (found,) = place.glob("*.whl")
    return found


def clean_environment(place: Path) -> tuple[Path, Path]:
    """Make an environment that has pyparsing and nothing else; give its python and packages.

    pyparsing is linked from here rather than fetched, so that the test needs no network.
    """
    venv.create(place, with_pip=False)
    packages = next((place / "lib").glob("python*/site-packages"))
    (packages / "pyparsing").symlink_to(Path(pyparsing.__file__).parent)
    return place / "bin" / "python", packages


def checked(*command: str, cwd: Path, path: str = "") -> set[tuple[str, str]]:
    """Give the (kind, name) of the files that `check` looked at, all without a fault."""
    answer = json.loads(run(*command, "check", "--json", cwd=cwd, path=path))
    assert answer["faults"] == []
    return {(file["kind"], Path(file["path"]).stem) for file in answer["files"]}


def test_the_wheel_carries_filters_actions_lists_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for kind, name in SHIPPED:
        assert f"fw_guard/{kind}s/{name}.toml" in names
    assert "fw_guard/filters/lists/probe-paths.txt" in names
    assert "fw_guard/py.typed" in names
    assert any(name.endswith("LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "demo/")) for name in names)


def test_an_installed_wheel_checks_everything_that_ships(wheel: Path, tmp_path: Path) -> None:
    python, _ = clean_environment(tmp_path / "clean")
    install = ("-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index")
    run(sys.executable, *install, "--quiet", str(wheel))
    script = str(python.parent / "fw-guard")
    assert checked(script, cwd=tmp_path) == SHIPPED


def test_an_editable_install_checks_everything_that_ships(tmp_path: Path) -> None:
    python, _ = clean_environment(tmp_path / "clean")
    install = ("-m", "pip", "--python", str(python), "install", "--no-deps", "--quiet")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("fw_guard", "filters", "actions", "pyproject.toml", "README.md", "LICENSE"):
        run("cp", "-r", str(ROOT / name), str(copy / name))
    built = tmp_path / "built"
    run(
        sys.executable,
        *("-c", "import sys; from hatchling.build import build_editable as b; b(sys.argv[1])"),
        str(built),
        cwd=copy,
    )
    (found,) = built.glob("*.whl")
    run(sys.executable, *install, "--no-index", str(found))
    assert checked(str(python.parent / "fw-guard"), cwd=tmp_path) == SHIPPED
    where = run(str(python), "-c", "import fw_guard; print(fw_guard.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(copy)


def test_the_bare_checkout_checks_everything_that_ships(tmp_path: Path) -> None:
    python, _ = clean_environment(tmp_path / "clean")
    command = (str(python), "-m", "fw_guard")
    assert checked(*command, cwd=tmp_path, path=str(ROOT)) == SHIPPED


def test_the_only_hard_dependency_is_pyparsing(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (n for n in archive.namelist() if n.endswith("METADATA"))
    lines = archive.read(name).decode().splitlines()
    needs = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert needs == ["Requires-Dist: pyparsing>=3.2"]
