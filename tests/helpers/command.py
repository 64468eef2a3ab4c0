"""The command line, run as a user runs it."""

import os
import subprocess
import sys
from typing import NamedTuple


class Outcome(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def in_process_of_its_own(*arguments, cwd):
    """Runs the command as a shell would."""
    result = subprocess.run(
        [sys.executable, "-m", "headwise.cli.main", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    return Outcome(result.returncode, result.stdout, result.stderr)


def refused(result, *, out):
    """The message of a run that was refused: exit code 2, no traceback, nothing left behind."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert not list(out.glob("**/*.html")) and not list(out.glob("**/results.json"))
    return " ".join(result.stderr.replace("\u2502", " ").split())


def assert_no_torch(arguments, code, cwd):
    program = (
        "import sys, headwise.cli.main\n"
        "try: headwise.cli.main.main()\n"
        "except SystemExit as stop: print('code', stop.code)\n"
        "loaded = {'torch', 'sklearn', 'matplotlib', 'transformers'} & set(sys.modules)\n"
        "print('loaded', sorted(loaded))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=cwd
    )
    assert f"code {code}\nloaded []" in result.stdout, result.stdout + result.stderr
