"""Instruction files: one `Example` a line as JSON, beside a manifest of how they came to be.

They are made from user data and stay where they are made: nothing here belongs into a repository.
"""

import hashlib
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from finetune.configs import Recipe
from finetune.data.tasks import Example
from palr.errors import DataError
from palr.files import replacing, write

EXAMPLES, MANIFEST = "train.jsonl", "build.json"
_EXAMPLE: TypeAdapter[Example] = TypeAdapter(Example)


@dataclass(frozen=True)
class Manifest:
    """What the instruction data of a folder are.

    ``data_checksum`` is that of the split (`palr.retrieval.splits`), ``sha256`` that of the file of
    examples; ``counts`` are by task; ``users`` counts those that have an example.
    """

    dataset: str
    name: str
    recipe: Recipe
    data_checksum: str
    counts: dict[str, int]
    users: int
    sha256: str


_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)


def write_examples(examples: Iterable[Example], path: Path) -> str:
    """Write the file at once or not at all; returns its SHA-256."""
    digest = hashlib.sha256()
    with replacing(path) as stream:
        for example in examples:
            line = _EXAMPLE.dump_json(example, exclude_defaults=True) + b"\n"
            digest.update(line)
            stream.write(line)
    return digest.hexdigest()


def read_examples(path: Path, known: Set[str]) -> list[Example]:
    """Read and check every line; ``known`` are the ids of the catalog.

    Raises:
        DataError: the file is missing or empty, or a line is broken; the message names the line.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there; run `python -m finetune build` first")
    examples = []
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                example = _EXAMPLE.validate_json(line)
                fault = _fault(example, known)
            except ValidationError as error:
                first = error.errors()[0]
                fault = f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()
            if fault:
                raise DataError(
                    f"{path}, line {number}: {fault}; mend the line or run "
                    "`python -m finetune build` again"
                )
            examples.append(example)
    if not examples:
        raise DataError(f"{path} holds no example; run `python -m finetune build` again")
    return examples


def write_manifest(manifest: Manifest, folder: Path) -> None:
    write(folder / MANIFEST, _MANIFEST.dump_json(manifest, indent=2) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Raises DataError where there is none, or it does not parse."""
    path = folder / MANIFEST
    try:
        return _MANIFEST.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} cannot be read; run `python -m finetune build` again") from error


def _fault(example: Example, known: Set[str]) -> str:
    """What is wrong with an example that parses, or nothing."""
    if not example.history or not example.answer:
        return "an example needs a history and an answer"
    if unknown := sorted(item for item in example.items if item not in known):
        return f"the catalog has no item {unknown[0]!r}"
    if example.task == "Recommend":
        return "the task Recommend has no candidates" if example.candidates else ""
    if len(set(example.candidates)) < len(example.candidates):
        return "a candidate is listed twice"
    if not set(example.answer) <= set(example.candidates):
        return "the candidates do not hold the whole answer"
    for given in (example.scores, example.soft):
        if given and len(given) != len(example.candidates):
            return "there must be one score for each candidate, or none"
    return ""
