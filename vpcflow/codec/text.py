"""Text, line by line; and what stands in lines that are JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vpcflow.codec.envelope import Control, EnvelopeError, Lines, Payload, envelopes, text_or_error
from vpcflow.codec.reading import Reading

__all__ = ["BOM", "HeaderEnds", "Item", "lines_of", "run_of", "unpacked", "unwrapped"]

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class HeaderEnds:
    """The header that stood in a message wrapper holds no longer: `text` does again."""

    text: str


# A line of text, or what is none.
Item = str | Payload | Control | EnvelopeError | HeaderEnds


def lines_of(content: bytes) -> list[str | EnvelopeError]:
    """Return the lines of a text, without a last one that is empty."""
    lines: list[str | EnvelopeError]
    try:
        lines = [*content.decode().split("\n")]
    except UnicodeDecodeError:
        lines = [text_or_error(raw) for raw in content.split(b"\n")]
    if lines[-1] == "":
        lines.pop()
    return lines


def unwrapped(found: Iterable[Payload | Control | Lines | EnvelopeError]) -> Iterator[Item]:
    """Yield what stands in JSON, the messages of wrappers as lines."""
    for one in found:
        if isinstance(one, Lines):
            yield from unpacked(one.text.rstrip("\r\n").split("\n"))
        else:
            yield one


def unpacked(lines: Iterable[str | EnvelopeError]) -> Iterator[Item]:
    """Yield lines without the space around them; those that are JSON, as what stands in them.

    Wrappers in wrappers end soon: each level doubles the escapes before a quote.
    """
    for line in lines:
        if isinstance(line, EnvelopeError):
            yield line
            continue
        text = line.strip()
        if text.startswith("{"):
            yield from unwrapped(envelopes(text.encode("utf-8", "surrogatepass"), text))
        else:
            yield text


def run_of(data: bytes, reading: Reading) -> Iterator[Item]:
    """Yield what stands in a run of lines, `unpacked`, each after `reading` was told of the line that it stands in.

    A byte order mark is none of the text, at the beginning of an object only. A header in a message wrapper holds up to the
    end of its line: who cuts the object looks for headers at the beginnings of lines.
    """
    if reading.line == 0 and not reading.offset and data.startswith(BOM):
        data = data[len(BOM) :]
        reading.offset = None if reading.offset is None else len(BOM)
    line, offset = reading.line, reading.offset
    raws = data.split(b"\n")
    for text, raw in zip(lines_of(data), raws, strict=False):  # `raws` may have an empty one more
        reading.line = reading.position = line
        reading.offset = offset
        if isinstance(text, str) and "{" not in text:
            yield text.strip()
        else:
            header = reading.header_text
            yield from unpacked([text])
            if reading.header_text != header:
                yield HeaderEnds(header)
        line += 1
        if offset is not None:
            offset += len(raw) + 1
