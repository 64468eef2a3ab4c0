"""What processes of `headwise.cli._at_once` are given to do; they find it by name."""

import os
import signal
import sys
import time

from headwise.errors import UnknownName


def double(number):
    time.sleep(0.02 * number)
    return 2 * number, os.environ["OMP_NUM_THREADS"]


class Odd(Exception):
    """Cannot be sent: it is made of other arguments than it keeps."""

    def __init__(self, what, number):
        super().__init__(f"{what} {number}")


def fail_at(number):
    if number == 7:
        raise UnknownName(f"No layer {number}.")
    if number == 8:
        raise Odd("no", number)
    if number == 9:
        sys.exit(3)
    return number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def fits_alone(number):
    from joblib import Parallel, delayed

    return Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(2)) == [os.getpid()] * 2
