"""What an ordinary install, which is no clone, holds."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

from tests.paths import REPOSITORY, SAVED_MODELS


def test_a_wheel_has_the_models_and_finds_them(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "LICENSE-WEIGHTS.md"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("vocaltrack", "saved_models"):
        shutil.copytree(REPOSITORY / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("vocaltrack-*.whl"))) as wheel:
        wheel.extractall(tmp_path / "installed")
    (about,) = (tmp_path / "installed").glob("vocaltrack-*.dist-info")
    assert "non-commercial" in (about / "METADATA").read_text().split("\n\n")[0]
    assert len([path for path in about.rglob("*") if path.name.startswith("LICENSE")]) == 2
    script = (
        "from vocaltrack.contract import check_checksums, find_model\n"
        "for name in ('dc', 'hdc', 'unet', 'uhnet'):\n"
        "    check_checksums(find_model(name))\n"
        "    print(find_model(name))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    models = tmp_path / "installed" / "vocaltrack" / "saved_models"
    assert done.stdout.split() == [str(models / n) for n in ("dc", "hdc", "unet", "uhnet")]
    assert {p.name for p in SAVED_MODELS.iterdir()} == {p.name for p in models.iterdir()}


def test_a_source_distribution_has_what_its_readme_and_tests_need(tmp_path):
    source = tmp_path / "source"
    (source / "saved_models").mkdir(parents=True)
    for name in ("MANIFEST.in", "Makefile", "setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, source)
    for path in (*REPOSITORY.glob("*.py"), *REPOSITORY.glob("LICENSE*")):
        shutil.copy(path, source)
    for name in (".ci", "benchmarks", "examples", "recipes", "tests", "vocaltrack"):
        shutil.copytree(
            REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    wanted = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    script = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", script], cwd=source, check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("vocaltrack-*.tar.gz"))) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted <= found
