"""Where ``conf/`` is found: a clone, an installed package, a folder of one's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flam_pl.config import loading
from flam_pl.config.loading import config_folder
from flam_pl.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(autouse=True)
def no_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLAM_PL_CONF", raising=False)


def write_conf(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 1")
    return folder


def test_a_folder_that_is_named_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = write_conf(tmp_path / "conf")
    monkeypatch.chdir(tmp_path)  # another project's conf/ is not used by itself
    assert config_folder() == ROOT / "conf"
    monkeypatch.setenv("FLAM_PL_CONF", str(other))
    assert config_folder() == other.resolve()
    monkeypatch.setenv("FLAM_PL_CONF", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="nowhere"):
        config_folder()


def test_the_installed_package_has_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "lib" / "site" / "flam_pl"
    monkeypatch.setattr(loading, "files", lambda name: package if name == "flam_pl" else None)
    with pytest.raises(ConfigError, match=r"no config\.yaml in .*flam_pl/conf or "):
        config_folder()
    own = write_conf(package / "conf")
    write_conf(package.parents[1] / "conf")  # beside an installed package lies no clone
    assert config_folder() == own.resolve()


@pytest.mark.slow
def test_a_wheel_works_from_an_empty_folder(tmp_path: Path) -> None:
    """Built from a copy of the sources, installed into a folder of its own."""
    copy, wheels, target, empty = (tmp_path / n for n in ("copy", "wheels", "target", "empty"))
    copy.mkdir()
    empty.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, copy / name)
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    build = [*pip, "wheel", *offline, "--no-build-isolation", "-w", str(wheels), str(copy)]
    subprocess.run(build, check=True)
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", str(target), str(wheel)], check=True)
    shutil.rmtree(copy)
    own = target / "flam_pl" / "conf"
    installed = sorted(path.relative_to(own) for path in own.rglob("*.yaml"))
    shipped = sorted(p.relative_to(ROOT / "conf") for p in (ROOT / "conf").rglob("*.yaml"))
    assert installed == shipped
    environment = os.environ | {"PYTHONPATH": str(target), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "flam_pl", "config"]
    of_wheel, of_clone = (
        subprocess.run(command, cwd=empty, env=env, check=True, capture_output=True, text=True)
        for env in (environment, os.environ | {"PYTHONPATH": str(ROOT / "src")})
    )
    assert of_wheel.stdout == of_clone.stdout and "embedder:" in of_wheel.stdout
