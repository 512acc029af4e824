"""Make a virtual environment from a pinned file, with every hash checked; needs only Python 3.11 or newer.

``python3 requirements/install.py .venv demo --project`` makes ``.venv``, puts ``requirements/demo.txt`` into it and the
project itself (editable), and writes ``.venv/.demo.stamp``. Of two started at once, the second waits and finds it done.
"""

import argparse
import fcntl
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
OLDEST_PYTHON = (3, 11)


def main() -> None:
    """Read the command line and install."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path, help="where the virtual environment is or will be")
    parser.add_argument("set", help="the name of a file beside this one, without .txt")
    parser.add_argument("--project", action="store_true", help="install the project itself too, editable")
    options = parser.parse_args()
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]} ({sys.executable})")
    fcntl.flock(os.open(HERE, os.O_RDONLY), fcntl.LOCK_EX)  # let go when this process ends
    install(options.directory.absolute(), options.set, with_project=options.project)


def install(directory: Path, name: str, *, with_project: bool) -> None:
    """Bring the environment in ``directory`` to the pinned set ``name``, unless its stamp says that it is there."""
    pinned = HERE / f"{name}.txt"
    stamp = directory / f".{name}.stamp"
    sources = [pinned, HERE / "uv.txt", PROJECT / "pyproject.toml"]
    if stamp.exists() and all(stamp.stat().st_mtime >= source.stat().st_mtime for source in sources):
        return
    make_environment(directory)
    (directory / ".gitignore").write_text("*\n")
    say(f"installing requirements/{name}.txt into {directory.name}")
    install_pinned(directory, pinned)
    if with_project:
        python = directory / "bin" / "python"
        run_or_exit(
            [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", PROJECT]
        )
    stamp.touch()


def make_environment(directory: Path) -> None:
    """Make the environment, unless a working one is there."""
    python = directory / "bin" / "python"
    if python.exists() and run([python, "-m", "pip", "--version"], quiet=True):
        return
    say(f"making {directory.name} with Python {sys.version.split()[0]}")
    if not run([sys.executable, "-m", "venv", "--clear", directory]):
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        sys.exit(
            f"{sys.executable} cannot make virtual environments. "
            f"On Debian or Ubuntu install {package}, elsewhere a Python with venv and ensurepip."
        )


def install_pinned(directory: Path, pinned: Path) -> None:
    """Install by uv, which is fast; where uv reaches no index, by pip, which reads the machine's pip configuration."""
    python = directory / "bin" / "python"
    options = ["install", "--quiet", "--require-hashes", "--requirement"]
    run_or_exit([python, "-m", "pip", *options, HERE / "uv.txt"])
    # the system's certificates: a machine behind a company's proxy trusts those
    if not run([python, "-m", "uv", "pip", *options, pinned, "--python", python, "--system-certs"]):
        say("uv could not install them; trying pip")
        run_or_exit([python, "-m", "pip", *options, pinned])


def run(command: list[str | Path], *, quiet: bool = False) -> bool:
    """Run one step and tell whether it succeeded."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, env=environment, stdout=output, stderr=output, check=False).returncode == 0


def run_or_exit(command: list[str | Path]) -> None:
    """Run one step; end here when it fails: its own output says why."""
    if not run(command):
        sys.exit(f"failed: {' '.join(map(str, command))}")


def say(what: str) -> None:
    """Print one line of progress."""
    print(f"… {what}", flush=True)


if __name__ == "__main__":
    main()
