"""The command line, as a person meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def finetune(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "finetune", *arguments],
        cwd=ROOT,
        env={**os.environ, "PALR_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["build", "train", "ceiling", "evaluate", "reproduce"])
def test_every_command_explains_itself(command, palr_home):
    result = finetune(command, "--help", home=palr_home)
    assert result.returncode == 0, result.stderr
    assert "--dataset" in result.stdout


def test_what_a_person_can_mend_is_one_line(palr_home):
    result = finetune("train", "--dataset", "ml-100k", "--config", "huge", home=palr_home)
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1].startswith("finetune: unknown name 'huge'")
    assert "smollm2-135m-cpu" in result.stderr
