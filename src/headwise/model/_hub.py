"""The hub, queried once with a short timeout: is there such a model, and can it be reached from here?"""

from headwise.errors import UnknownName

from . import registry

SECONDS = 5.0  # to wait for an answer: the loaders by themselves retry for half a minute


def must_stay_local(name: str, revision: str | None) -> bool:
    """Whether only the hub's cache on this machine can give a model, as the hub cannot be reached.

    Raises:
        UnknownName: The hub has no such model; or it does not answer and the cache has none.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        HfApi().model_info(name, revision=revision, timeout=SECONDS)
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise UnknownName(_unknown(name, f"the hub has none: {_first_line(error)}")) from error
    # Each HTTP library that the hub's client was built on names its failures otherwise.
    except Exception as error:
        if _is_cached(name, revision):
            return True
        why = f"the hub cannot be reached: {_first_line(error)}"
        raise UnknownName(_unknown(name, why)) from error
    return False


def _is_cached(name: str, revision: str | None) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str)


def _unknown(name: str, why: str) -> str:
    return (
        f"No model called {name!r}: it is not installed, not a folder, and {why} Known here: "
        f"{', '.join(registry.nearest(name))}. `headwise models` lists what is available."
    )


def _first_line(error: Exception) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if line.endswith(".") else f"{line}."
