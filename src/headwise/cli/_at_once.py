"""Several analyses at once, each in a process of its own.

Most of an analysis is many short passes that leave cores idle, and analyses need nothing of each other.
"""

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from traceback import format_exception
from typing import TypeVar

from headwise import _progress
from headwise.errors import HeadwiseError

T = TypeVar("T")
R = TypeVar("R")
MOST = 4  # by default: each holds the libraries and a model
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Failed(Exception):
    """What a task ended in, as text, where the error itself cannot be sent."""


def at_once(
    task: Callable[[T], R], items: Sequence[T], n_jobs: int
) -> Iterator[tuple[T, R | Exception]]:
    """Items with what a task made of each or ended in, as they are done; items that come first are begun first.

    Args:
        task: What is done with an item; a function of a module, so that a process can find it.
        items: What it is done with.
        n_jobs: How many processes; they share the cores.

    Raises:
        HeadwiseError: A process was stopped from outside.
    """
    n_threads = max(1, (os.cpu_count() or 1) // n_jobs)
    others = set(active_children())
    pool = ProcessPoolExecutor(n_jobs, get_context("spawn"), _begin, (n_threads,))
    try:
        sent = {pool.submit(_alone, task, item): item for item in items}
        for one in _progress.track(as_completed(sent), len(items), "analyses"):
            yield sent[one], one.result()
    except BrokenProcessPool as error:
        raise HeadwiseError(
            f"A process that ran an analysis was stopped from outside, most likely for want of memory; {n_jobs} ran at once. "
            "Run again with --jobs 1."
        ) from error
    except BaseException:  # nobody waits any more for what is still running
        for child in set(active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(n_threads: int) -> None:
    """Settings of a process, made before it imports what reads them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt reaches the parent, which ends this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in THREADS:
        os.environ.setdefault(name, str(n_threads))
    _progress.is_silent = True  # bars of several processes would be drawn over each other


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for its next task forever."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _alone(task: Callable[[T], R], item: T) -> R | Exception:
    from joblib import parallel_config

    try:
        with parallel_config("sequential"):  # fits start no processes of their own
            return task(item)
    except (Exception, SystemExit) as error:
        try:
            sent = pickle.loads(pickle.dumps(error))
            if isinstance(sent, HeadwiseError):
                return sent
        except Exception:  # an error whose class takes other arguments than it keeps
            pass
        return Failed("".join(format_exception(error)))
