"""The campaign of damaged files, killed writes and threads, in short."""

import subprocess
import sys

from helpers.paths import ROOT


def test_nothing_is_lost_or_wrong_without_a_word():
    command = [sys.executable, str(ROOT / "benchmarks" / "campaign.py"), "--quick", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("damaged ") >= 12 and "killed writes" in done.stdout
