"""One dead letter that is tried again: what it gives today, and what is still wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import orjson

from vpcflow.codec import Decoder
from vpcflow.codec.again import decode_again
from vpcflow.codec.identity import event_hashes, origin_key
from vpcflow.codec.ready import NotReadyError, checked, ready_items
from vpcflow.codec.stamps import StampCache
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import VpcFlowError
from vpcflow.objects.block import Damage
from vpcflow.replay.named import Opens, damage_letter, is_named, named_object, named_parts
from vpcflow.types import Decoded, ItemError, Origin

__all__ = ["DOCUMENT", "Item", "Trial", "decoded"]

DOCUMENT = "document"  # in a context: `raw` is no line, but what was made of it


@dataclass(slots=True)
class Trial:
    """place: on its shelf; documents: that it gives today; wrong: what stays of it, in its place."""

    place: int
    letter: DeadLetter
    documents: int = 0
    wrong: list[DeadLetter] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Item:
    r"""One document of a trial: `action\ndocument\n`, and the letter that it becomes if the engine rejects it."""

    trial: Trial
    body: bytes
    id: str
    chunk: Decoded | None = None
    at: int = 0
    letter: DeadLetter | None = None  # what it becomes a letter like; None: like its trial's

    def rejected(self, error: ItemError | None, *, diverted: bool = False) -> DeadLetter:
        """Return the letter of a document that was rejected again."""
        letter = self.letter or self.trial.letter
        if self.chunk is not None:
            letter = replace(
                letter,
                raw=self.chunk.messages[self.at].encode("utf-8", "surrogatepass"),
                position=self.chunk.positions[self.at],
                context=self.chunk.context(self.at),
            )
        return replace(
            letter,
            reason="diverted" if diverted else "rejected",
            error_type=error.type if error else "",
            message=error.words if error else "no reason given",
            attempts=letter.attempts + 1,
            document_id=self.id,
            origin=_origin(letter),
        )


def decoded(trial: Trial, decoder: Decoder, opens: Opens | None = None) -> Iterator[Item]:
    """Yield the documents of a letter; what is undecodable is added to `trial.wrong`. Never raises for bad data.

    `opens`: reads the objects that letters name; without it these fail again.
    """
    letter = trial.letter
    try:
        if is_named(letter):
            yield from _object(trial, decoder, opens)
            return
        if letter.context.get(DOCUMENT):
            yield _as_document(trial)
            return
        if forwarded := _as_forwarded(trial):
            yield forwarded
            return
        origin = _origin(letter)
        for chunk in decode_again(decoder, letter.raw, origin, position=letter.position, context=letter.context):
            yield from _items(trial, chunk, letter, origin)
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # a letter that somebody else has written
        message = f"cannot be tried again: {type(error).__name__}: {error}"
        trial.wrong.append(replace(letter, message=message, attempts=letter.attempts + 1))


def _items(trial: Trial, chunk: Decoded, letter: DeadLetter, origin: Origin) -> Iterator[Item]:
    """Yield the documents of a chunk; its undecodable lines become letters like `letter`."""
    trial.wrong += [
        replace(
            letter,
            reason=bad.reason.value,
            error_type="",
            message=bad.message,
            raw=bad.raw,
            position=max(bad.position, letter.position),
            context=bad.context or letter.context,
            attempts=letter.attempts + 1,
            origin=origin,
        )
        for bad in chunk.undecodable
    ]
    lines = chunk.body.split(b"\n")
    for at in range(chunk.count):
        action, document = lines[2 * at], lines[2 * at + 1]
        name = orjson.loads(action)["create"].get("_id", "")
        yield Item(trial, b"%b\n%b\n" % (action, document), name, chunk, at, letter)


def _object(trial: Trial, decoder: Decoder, opens: Opens | None) -> Iterator[Item]:
    """Yield the documents of the object that a letter names; what of it cannot be had or decoded stays."""
    letter = trial.letter
    attempts = letter.attempts + 1
    if opens is None:
        message = "names an object in S3, which is not read here; use `vpcflow replay`"
        trial.wrong.append(replace(letter, message=message, attempts=attempts))
        return
    try:
        ref = named_object(letter)
        with opens(ref) as opened:
            origin = opened.origin
            like = replace(letter, source=origin.name, identity=dict(origin.fields), origin=origin, context={})
            for part in named_parts(letter, ref, opened):
                if isinstance(part, Damage):
                    seen = letter.first_seen_ms
                    trial.wrong.append(damage_letter(part, opened, first_seen_ms=seen, attempts=attempts))
                    continue
                for chunk in decoder.decode(part.data, origin, at=part.at):
                    yield from _items(trial, chunk, like, origin)
    except VpcFlowError as error:
        trial.wrong.append(replace(letter, message=str(error), attempts=attempts))


def _origin(letter: DeadLetter) -> Origin:
    """Return the record's origin. Format 1 has none: the letter's own id then names the line, for ever the same."""
    if letter.origin is not None:
        return letter.origin
    fields = {name: value for name, value in letter.identity.items() if name not in ("sequence", "subsequence")}
    return Origin(identity=origin_key("dead letter", letter.id), name=letter.source, fields=fields)


def _as_document(trial: Trial) -> Item:
    """Return a document as it was, under the id that it had; without one, its own text names it."""
    letter = trial.letter
    document = orjson.loads(letter.raw)
    if not isinstance(document, dict) or not isinstance(document.get("@timestamp"), str):
        raise ValueError("a document is a JSON object with @timestamp")  # noqa: TRY004 - bad data, not a bad call
    name = letter.document_id or event_hashes(origin_key("document"), [letter.raw])[0]
    return Item(trial, _body(name, orjson.dumps(document)), name)


def _as_forwarded(trial: Trial) -> Item | None:
    """Return what the receiver passed on: a document of ours with its action, or with its id. None if it is no such thing.

    Raises:
        ValueError: an action that cannot be passed on; it stays together with its document.
    """
    letter = trial.letter
    if letter.context or not letter.raw.startswith(b"{"):
        return None
    item, *more = ready_items(enumerate(letter.raw.split(b"\n")))
    if more and item.action is not None:
        raise NotReadyError("several lines where one document should be")
    try:
        name, _ = checked(item, StampCache())
    except NotReadyError:
        if item.action is not None:
            raise
        return None  # a line of JSON is the decoder's
    return None if more else Item(trial, _body(name, item.document), name)


def _body(name: str, document: bytes) -> bytes:
    return b"%b\n%b\n" % (orjson.dumps({"create": {"_id": name}}), document)
