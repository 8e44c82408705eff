"""Small but real wheels, which pip accepts."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from palr.data.wheels import Member, WheelPart


def build_wheel(
    folder: Path, distribution: str, version: str, files: Mapping[str, bytes]
) -> tuple[Path, WheelPart]:
    """Write a wheel whose package is ``PKG/...``; its part wants every file, without ``PKG/``."""
    package = distribution.replace("-", "_")
    info = f"{package}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents = {f"{package}/{name}": data for name, data in files.items()}
    contents |= {f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": wheel.encode()}
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()},{len(data)}\n"
        for name, data in contents.items()
    )
    contents[f"{info}/RECORD"] = record.encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    members = tuple(
        Member(f"{package}/{name}", name, hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    )
    return path, WheelPart(distribution, distribution, version, path.stat().st_size, members)
