"""``python -m tests.readers_heavy [ENVIRONMENT…]``: other people's readers, each in an environment of its own.

Each folder with a ``requirements.txt`` is an environment: its readers, pinned, and their tests. Packages of its
``unpacked.txt`` are not built, for only their Python is read with: their sources are put on the path. An environment is
made once, below ``READERS_CACHE`` (``$XDG_CACHE_HOME/labelsnap`` unless set), under the digest of its pins; those of
other pins go.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
MADE: Final = ".made"
"""The file of an environment that says that all of it was installed."""
WHOLE: Final = "torch"
"""What is installed with all that it needs: its build for graphics cards needs libraries that the other has not."""


def main() -> int:
    """Make the trees once, and run each environment's tests over them; status 1 where any fails."""
    known = sorted(path.parent.name for path in HERE.glob("*/requirements.txt"))
    parser = argparse.ArgumentParser(prog="python -m tests.readers_heavy", description=__doc__)
    parser.add_argument(
        "environments", nargs="*", metavar="ENVIRONMENT", help=f"of {', '.join(known)}; all unless given"
    )
    parser.add_argument(
        "--trees", type=Path, help="trees that lie there already, as tests.readers_heavy.trees makes them"
    )
    asked = parser.parse_args()
    if unknown := set(asked.environments) - set(known):
        parser.error(f"there is no environment {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="readers-trees-") as place:
        trees = asked.trees or Path(place) / "trees"
        if asked.trees is None:
            subprocess.run([sys.executable, "-m", "tests.readers_heavy.trees", trees], check=True)  # noqa: S603
        failed = [name for name in asked.environments or known if not passes(name, trees, Path(place) / name)]
    if failed:
        sys.stderr.write(f"Failed with the readers of {', '.join(failed)}.\n")
    return bool(failed)


def passes(name: str, trees: Path, scratch: Path) -> bool:
    """Run the tests of an environment, which write below ``scratch``, and say how long each part took."""
    started = time.monotonic()
    python = installed(name)
    ready = time.monotonic()
    options = ["-c", HERE / "pytest.ini", "--confcutdir", HERE, "--basetemp", scratch, "--trees", trees]
    command = [python, "-m", "pytest", *options, HERE / name]
    environment = os.environ | {"LABELSNAP_PYTHON": sys.executable}  # for trees that only these tests read
    status = subprocess.run(command, check=False, env=environment).returncode  # noqa: S603
    sys.stdout.write(f"{name}: {ready - started:.0f} s to install, {time.monotonic() - ready:.0f} s to read\n")
    sys.stdout.flush()
    return status == 0


def installed(name: str) -> Path:
    """Give the Python of an environment, which is made where there is none with these pins."""
    pins, sources = HERE / name / "requirements.txt", HERE / name / "unpacked.txt"
    unpacked = sources.read_text(encoding="utf-8").split() if sources.exists() else []
    digest = hashlib.sha256(pins.read_bytes() + repr((unpacked, sys.version)).encode()).hexdigest()[:16]
    directory = cache() / f"readers-{name}-{digest}"
    python = directory / "bin" / "python"
    if not (directory / MADE).exists():
        for old in cache().glob(f"readers-{name}-*"):
            shutil.rmtree(old)
        venv.create(directory, with_pip=True)
        pip(python, "install", "--no-deps", "--requirement", pins)
        if f"\n{WHOLE}==" in pins.read_text(encoding="utf-8"):
            pip(python, "install", "--constraint", pins, WHOLE)
        for package in unpacked:
            unpack(python, package, directory / "unpacked")
        (directory / MADE).touch()
    return python


def pip(python: Path, command: str, *options: str | Path) -> None:
    """Run pip in an environment; once more without its cache, whose list of a package's versions may be an old one."""
    asked = [python, "-m", "pip", command, "-qq", *options]
    if subprocess.run(asked, check=False).returncode:  # noqa: S603
        subprocess.run([*asked, "--no-cache-dir"], check=True)  # noqa: S603


def unpack(python: Path, package: str, directory: Path) -> None:
    """Put the sources of a package on an environment's path."""
    pip(python, "download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--dest", directory, package)
    archive = next(directory.glob(f"{package.partition('==')[0]}-*.tar.gz"))
    shutil.unpack_archive(archive, directory, filter="data")
    libraries = next(python.parents[1].glob("lib/python*/site-packages"))
    source = directory / archive.name.removesuffix(".tar.gz")
    (libraries / f"{archive.name}.pth").write_text(f"{source}\n", encoding="utf-8")


def cache() -> Path:
    """Give the folder that keeps environments between runs, outside the checkout."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("READERS_CACHE") or Path(home) / "labelsnap")


if __name__ == "__main__":
    sys.exit(main())
