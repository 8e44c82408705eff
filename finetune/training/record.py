"""The record of a training, and its loss curve as a picture."""

import hashlib
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from finetune.configs import Config
from finetune.data.dataset import Manifest
from palr.errors import DataError

RECORD, CURVE = "record.json", "loss.svg"
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 280, 56, 40, 24


@dataclass(frozen=True)
class Point:
    """Means over the steps since the point before.

    ``ndcg`` is that of the model's order of the labels before it learnt from the example, and
    ``ndcg_listed`` that of the retriever's scores, or of the list's own order where these take no
    part; both over the candidates shown, None where no list was labelled.
    """

    step: int
    loss: float
    ndcg: float | None = None
    ndcg_listed: float | None = None


@dataclass(frozen=True)
class TrainingRecord:
    """How an adapter came to be; ``command`` makes it again.

    ``commit`` is that of the code, empty outside a git checkout. ``tokens`` counts what went
    through the model, padding left out; ``seconds`` and ``tokens`` are those of the last start
    where a run was resumed. ``start_sha256`` is that of the weights it went on from.
    """

    name: str
    command: str
    config_name: str
    config: Config
    instructions: Manifest
    examples: int
    steps: int
    parameters: int
    seconds: float
    tokens: int
    device: str
    dtype: str
    commit: str
    versions: dict[str, str]
    curve: tuple[Point, ...] = field(default=())
    resumed_at: int = 0
    peak_memory_mb: int | None = None
    weights_sha256: str = ""
    start_sha256: str = ""

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / max(self.seconds, 1e-9)

    def to_json(self) -> str:
        return _RECORD.dump_json(self, indent=2).decode()


_RECORD: TypeAdapter[TrainingRecord] = TypeAdapter(TrainingRecord)


def read_record(folder: Path) -> TrainingRecord:
    """The record of an adapter's folder; raises DataError where there is none that parses."""
    path = folder / RECORD
    try:
        return _RECORD.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} cannot be read; train the adapter again") from error


def versions() -> dict[str, str]:
    """Versions that a training depends on."""
    packages = ("torch", "transformers", "peft", "accelerate", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def commit() -> str:
    """The commit of the code, with ``+`` behind it where files differ from it; else empty."""
    root = Path(__file__).parents[2]

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return f"{head}+" if head and git("status", "--porcelain", "-uno") else head
    except FileNotFoundError:  # no git on this machine
        return ""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def loss_curve(points: Sequence[Point], title: str) -> str:
    """The loss over the steps as an SVG: each point in grey, their running mean as a line."""
    if not points:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"/>\n'
    losses = [point.loss for point in points]
    smooth = running_mean(losses, max(len(losses) // 20, 1))
    low, high = min(losses), max(losses)
    spread, last = (high - low) or 1.0, max(points[-1].step, 1)

    def at(step: int, loss: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - 16) * step / last
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - loss) / spread
        return f"{x:.1f},{y:.1f}"

    raw = " ".join(at(point.step, point.loss) for point in points)
    line = " ".join(at(p.step, loss) for p, loss in zip(points, smooth, strict=True))
    floor = _HEIGHT - _BOTTOM
    text = 'font-family="sans-serif" font-size="12" fill="#444"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'width="{_WIDTH}" height="{_HEIGHT}">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
            f'<text x="{_LEFT}" y="16" {text}>{_escaped(title)}: training loss</text>',
            f'<polyline points="{raw}" fill="none" stroke="#ccc"/>',
            f'<polyline points="{line}" fill="none" stroke="#3454d1" stroke-width="2"/>',
            f'<line x1="{_LEFT}" y1="{floor}" x2="{_WIDTH - 16}" y2="{floor}" stroke="#444"/>',
            f'<text x="8" y="{_TOP + 8}" {text}>{high:.2f}</text>',
            f'<text x="8" y="{floor}" {text}>{low:.2f}</text>',
            f'<text x="{_LEFT}" y="{_HEIGHT - 16}" {text}>0</text>',
            f'<text x="{_WIDTH - 16}" y="{_HEIGHT - 16}" text-anchor="end" {text}>'
            f"{last} steps</text>",
            "</svg>\n",
        ]
    )


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean of each value and up to ``window - 1`` before it.

    >>> running_mean([1.0, 3.0, 5.0], 2)
    [1.0, 2.0, 4.0]
    """
    ends = range(1, len(values) + 1)
    return [sum(values[max(e - window, 0) : e]) / min(e, window) for e in ends]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
