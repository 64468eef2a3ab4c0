"""A claim on record: a hypothesis and its sentences as they were before anything was tested, and what has changed since.

The record stands beside the hypothesis, as `NAME.registered.json`, for a person to commit or to publish. It holds every field and every sentence, so that a report can
name what differs.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from headwise._files import check_format, reason, write_text
from headwise._formatting import brief
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError

if TYPE_CHECKING:
    from .hypothesis import Hypothesis

FORMAT = "headwise registration 1"
MOST_NAMED = 60  # changes in a sentence
UNREGISTERED = "Not registered, exploratory: headwise register puts a hypothesis on record before it is tested."


class Registration(BaseModel):
    """What was put on record.

    Attributes:
        format: Of the file.
        name: Of the hypothesis.
        date: When, in UTC.
        headwise: Version.
        commit: Of the checkout, if it was one.
        fields: Every field of the hypothesis that is no sentence, as `looks.smallest`.
        sentences: By kind of evidence, every sentence with its marks and links, every pair with its answers.
        order: By kind of evidence, a hash of the order of sentences, which fixes how they are divided.
        sha256: Of all of this.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = FORMAT
    name: str
    date: str
    headwise: str
    commit: str
    fields: dict[str, Any]
    sentences: dict[str, dict[str, str]]
    order: dict[str, str]
    sha256: str = ""

    def hash(self) -> str:
        """Of everything but itself."""
        return hashlib.sha256(self.model_dump_json(exclude={"sha256"}).encode()).hexdigest()

    @classmethod
    def of(cls, hypothesis: "Hypothesis", *, commit: str = "") -> "Registration":
        """The record of a hypothesis as it stands."""
        from headwise import __version__

        made = cls(
            name=hypothesis.name,
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            headwise=__version__,
            commit=commit,
            fields=_fields(hypothesis),
            sentences=_sentences(hypothesis.suites()),
            order=_order(hypothesis.suites()),
        )
        return made.model_copy(update={"sha256": made.hash()})

    @classmethod
    def read(cls, path: Path) -> "Registration":
        """Reads a record.

        Raises:
            HeadwiseError: It is none, of another version, or was changed after it was made.
        """
        try:
            data: object = json.loads(path.read_text(encoding="utf-8"))
            check_format(path, "registration", data.get("format") if isinstance(data, dict) else None, FORMAT)  # fmt: skip
            found = cls.model_validate(data)
        except ValidationError as error:
            raise HeadwiseError(f"{path}: a damaged registration: {reason(error)}.") from error
        except (OSError, ValueError, RecursionError) as error:
            raise HeadwiseError(f"{path}: cannot be read as a registration: {str(error)[:200]}.") from error  # fmt: skip
        if found.hash() != found.sha256:
            raise HeadwiseError(f"{path}: it was changed after it was registered, or damaged. Take the file that was committed or published, or register anew.")  # fmt: skip
        return found

    def changes(self, hypothesis: "Hypothesis") -> list[str]:
        """What differs now, a phrase for each field and each sentence."""
        now = _fields(hypothesis)
        found = [
            f"{key} was {_shown(self.fields.get(key))} and is {_shown(now.get(key))}"
            for key in dict.fromkeys([*self.fields, *now])
            if self.fields.get(key) != now.get(key)
        ]
        own, order = _sentences(hypothesis.suites()), _order(hypothesis.suites())
        for kind in dict.fromkeys([*self.sentences, *own]):
            before, after = self.sentences.get(kind, {}), own.get(kind, {})
            if before == after and self.order.get(kind) != order.get(kind):
                found.append(f"{kind}: the order of the sentences")
            for text in dict.fromkeys([*before, *after]):
                if before.get(text) != after.get(text):
                    how = "was added" if text not in before else "is gone" if text not in after else "has other labels, links, answers or another group"  # fmt: skip
                    found.append(f"{kind}: the sentence {brief(text)} {how}")
        return list(dict.fromkeys(found))


def place_of(hypothesis: "Hypothesis") -> Path | None:
    """Where the record of a hypothesis stands; None for one that was made in Python."""
    path = hypothesis.path
    return None if path is None else path.with_name(f"{path.stem}.registered.json")


def register(hypothesis: "Hypothesis", *, commit: str = "", overwrite: bool = False) -> Path:
    """Puts a hypothesis on record.

    Args:
        hypothesis: One that was read from a file.
        commit: Of the checkout, for the record.
        overwrite: Whether to replace an earlier record.

    Returns:
        Path of the record.

    Raises:
        HeadwiseError: It has no file, its sentences cannot be read, there is a record already, or it cannot be written.
    """
    path = place_of(hypothesis)
    if path is None:
        raise HeadwiseError("Only a hypothesis in a file can be registered: the record stands beside it.")  # fmt: skip
    if path.exists() and not overwrite:
        earlier = Registration.read(path)
        raise HeadwiseError(
            f"{path} is the record of {earlier.date}. A second one would hide what was changed after the first; --overwrite replaces it."
        )
    made = Registration.of(hypothesis, commit=commit)
    return write_text(path, made.model_dump_json(indent=1) + "\n")


def status(hypothesis: "Hypothesis", tested: Mapping[str, Suite]) -> str:
    """A sentence for the report: whether the claim was on record, and what has changed since.

    Args:
        hypothesis: The hypothesis.
        tested: The sentences that were tested, which may be others than its own.

    Raises:
        HeadwiseError: There is a record that cannot be used, or that of another hypothesis.
    """
    path = place_of(hypothesis)
    if path is None or not path.exists():
        return UNREGISTERED
    record = Registration.read(path)
    if record.name != hypothesis.name:
        raise HeadwiseError(f"{path} is the registration of {record.name!r}, and this is {hypothesis.name!r}. Remove it, or give the hypothesis its name.")  # fmt: skip
    changed = record.changes(hypothesis)
    elsewhere = [k for k, suite in tested.items() if _sentences({k: suite})[k] != record.sentences.get(k)]  # fmt: skip
    start = f"Registered on {record.date}"
    other = f"; tested on other sentences than those on record ({', '.join(elsewhere)})" if elsewhere else ""  # fmt: skip
    if changed:
        more = f"; and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        return f"{start} and changed since: {'; '.join(changed[:MOST_NAMED])}{more}{other}."
    if elsewhere:
        return f"{start} and unchanged, and tested on other sentences than those on record ({', '.join(elsewhere)})."
    return f"{start} and unchanged."


def _fields(hypothesis: "Hypothesis") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in hypothesis.file.model_dump().items():
        if isinstance(value, dict):  # the groups of a suite in the file are sentences
            found |= {f"{key}.{name}": one for name, one in value.items() if name != "groups"}
        else:
            found[key] = value
    return found


def _sentences(suites: Mapping[str, Suite]) -> dict[str, dict[str, str]]:
    return {kind: _annotated(suite) for kind, suite in suites.items()}


def _order(suites: Mapping[str, Suite]) -> dict[str, str]:
    texts = {kind: json.dumps([s.text for s in suite.sentences]) for kind, suite in suites.items()}
    return {kind: hashlib.sha256(text.encode()).hexdigest() for kind, text in texts.items()}


def _annotated(suite: Suite) -> dict[str, str]:
    """What is known of every sentence, by its text."""
    found: dict[str, list[object]] = {}
    for s in suite.sentences:
        marks = sorted((m.word, m.label) for m in s.marks)
        links = sorted((k.dependent, k.governor, k.relation) for k in s.links)
        found.setdefault(s.text, []).append([s.group, list(s.words), marks, links, list(s.tags)])
    for pair in suite.pairs:
        found.setdefault(pair.clean.text, []).append([pair.corrupted.text, pair.right, pair.wrong])
    return {text: json.dumps(known, ensure_ascii=False) for text, known in found.items()}


def _shown(value: object) -> str:
    return "not there" if value is None else repr(value)[:80]
