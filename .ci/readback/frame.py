"""Bytes of a raw object -> records and bad stretches.

An own JSON reader, because two things are needed that Python's does not tell: where each value stands, and the text it
was written as. Strings alone are decoded by Python's json.

A record is an object at top level, with or without white space between two. (1) A line whose first byte is `{` starts a
record; one still open before it is truncated. (2) A raw newline inside a string ends the record there. (3) After any
other error the bad stretch ends at the next newline, or before the next `{` that follows `}` directly or after spaces.
(4) An array or scalar at top level is one bad stretch.
"""

import json
import re
import zlib

from . import Rejected, Unsupported

DEPTH_MAX = 128
BETWEEN = re.compile(rb"(?:[ \t\r\n]|\xef\xbb\xbf)*")
WHITE = re.compile(rb"[ \t\r\n]*")
NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
STRING_START = re.compile(rb'"(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
LITERALS = {b"t": (b"true", "true"), b"f": (b"false", "false"), b"n": (b"null", "null")}
UNFINISHED_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
UNFINISHED_TOKEN = re.compile(rb"(?:t|tr|tru|f|fa|fal|fals|n|nu|nul|-|-?[0-9][0-9.eE+-]*)[ \t\r]*\Z")
RESYNC = re.compile(rb"\n|\}[ \t]*(?=\{)")


class Json:
    """A JSON value: its kind, its text as written, and what it holds (members as pairs, elements, or None)."""

    __slots__ = ("kind", "text", "held")

    def __init__(self, kind, text, held=None):
        self.kind, self.text, self.held = kind, text, held

    def string(self):
        """The value of a string; may hold lone surrogates."""
        return json.loads(self.text)

    def checked_string(self):
        """The value of a string as a column can take it."""
        value = self.string()
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise Rejected("Json.LoneSurrogate")
        return value

    def shape(self):
        """What it says, whatever white space and escapes it is written with. Numbers are their text."""
        if self.kind == "object":
            return ("object", tuple((key, value.shape()) for key, value in self.held))
        if self.kind == "array":
            return ("array", tuple(value.shape() for value in self.held))
        return (self.kind, self.string() if self.kind == "string" else self.text)


class Bad(Exception):
    """Not JSON from `at` on."""

    def __init__(self, at, *codes, ends=None):
        super().__init__(codes[0], at)
        self.at, self.codes, self.ends = at, set(codes), ends


def skip_white(data, at):
    """Position of the next token of an open record."""
    end = WHITE.match(data, at).end()
    if end == len(data):
        raise Bad(end, "Json.Truncated", ends=end)
    if data[end : end + 1] == b"{" and data[end - 1 : end] == b"\n":
        raise Bad(end, "Json.Truncated", ends=end)
    return end


def read_string(data, at):
    end = STRING_START.match(data, at).end()
    if data[end : end + 1] == b'"':
        return Json("string", data[at : end + 1]), end + 1
    if end == len(data) or UNFINISHED_ESCAPE.match(data, end):
        raise Bad(end, "Json.Truncated", ends=len(data))
    if data[end : end + 1] == b"\n":
        # The text of a record that was cut off inside a string looks the same as one with a newline in it.
        raise Bad(end, "Json.Syntax", "Json.Truncated", ends=end)
    raise Bad(end, "Json.Syntax")


def read_value(data, at, depth=1):
    """(value, where it ends). `at` is the first byte of a token."""
    first = data[at : at + 1]
    if first == b'"':
        return read_string(data, at)
    if first in (b"{", b"["):
        if depth > DEPTH_MAX:
            raise Bad(at, "Json.TooDeep")
        return read_object(data, at, depth) if first == b"{" else read_array(data, at, depth)
    if first in LITERALS:
        word, kind = LITERALS[first]
        if data.startswith(word, at):
            return Json(kind, word), at + len(word)
        raise Bad(at, "Json.Syntax")
    number = NUMBER.match(data, at)
    if not number:
        raise Bad(at, "Json.Syntax")
    return Json("number", number.group()), number.end()


def read_object(data, start, depth):
    members = []
    at = skip_white(data, start + 1)
    while data[at : at + 1] != b"}" or members:
        if data[at : at + 1] != b'"':
            raise Bad(at, "Json.Syntax")
        key, at = read_string(data, at)
        at = skip_white(data, at)
        if data[at : at + 1] != b":":
            raise Bad(at, "Json.Syntax")
        value, at = read_value(data, skip_white(data, at + 1), depth + 1)
        members.append((key.string(), value))
        at = skip_white(data, at)
        if data[at : at + 1] == b"}":
            break
        if data[at : at + 1] != b",":
            raise Bad(at, "Json.Syntax")
        at = skip_white(data, at + 1)
    return Json("object", data[start : at + 1], members), at + 1


def read_array(data, start, depth):
    elements = []
    at = skip_white(data, start + 1)
    while data[at : at + 1] != b"]" or elements:
        value, at = read_value(data, at, depth + 1)
        elements.append(value)
        at = skip_white(data, at)
        if data[at : at + 1] == b"]":
            break
        if data[at : at + 1] != b",":
            raise Bad(at, "Json.Syntax")
        at = skip_white(data, at + 1)
    return Json("array", data[start : at + 1], elements), at + 1


class Stretch:
    """Bytes `start` to `end` of the stream: a record with its value, or a bad stretch with the codes it may have."""

    __slots__ = ("start", "end", "value", "codes")

    def __init__(self, start, end, value=None, codes=None):
        self.start, self.end, self.value, self.codes = start, end, value, codes


def frame(data):
    """Every record and bad stretch, in order."""
    at = BETWEEN.match(data, 0).end()
    while at < len(data):
        stretch = record_at(data, at) if data[at : at + 1] == b"{" else other_at(data, at)
        yield stretch
        at = BETWEEN.match(data, stretch.end).end()


def record_at(data, at):
    try:
        value, end = read_value(data, at)
    except UnicodeDecodeError:  # in a key, which is decoded at once
        value, end = None, bad_end(data, at, at)
    except Bad as bad:
        end = bad.ends if bad.ends is not None else bad_end(data, at, bad.at)
        codes = bad.codes
        if codes == {"Json.Syntax"} and UNFINISHED_TOKEN.match(data[bad.at : end]):
            codes = codes | {"Json.Truncated"}
        return Stretch(at, trimmed(data, at, end), codes=codes)
    if value is None or not is_utf8(data[at:end]):
        return Stretch(at, end, codes={"Json.InvalidUtf8"})
    return Stretch(at, end, value)


def other_at(data, at):
    scalar = data[at : at + 1] in b'["-0123456789tfn'
    end = bad_end(data, at, at)
    try:
        _, value_end = read_value(data, at)
        rest = WHITE.match(data, value_end).end()
        if rest == len(data) or b"\n" in data[value_end:rest]:
            return Stretch(at, value_end, codes={"Json.NotAnObject"})
    except (Bad, UnicodeDecodeError):
        pass
    return Stretch(at, end, codes={"Json.NotAnObject", "Json.Syntax"} if scalar else {"Json.Syntax"})


def bad_end(data, start, error):
    resync = RESYNC.search(data, error)
    return trimmed(
        data, start, len(data) if resync is None else resync.start() if resync.group() == b"\n" else resync.end()
    )


def trimmed(data, start, end):
    """White space at the end of a bad stretch is between records."""
    return start + max(1, len(data[start:end].rstrip(b" \t\r\n")))


def is_utf8(data):
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def content(stored, name):
    """The decompressed stream: gzip of any number of members, or the bytes as they are. Told by the first bytes."""
    if stored[:2] != b"\x1f\x8b":
        for magic, codec in (
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"PK\x03\x04", "zip"),
            (b"\x82SNAPPY\x00", "snappy"),
            (b"\xff\x06\x00\x00sNaPpY", "snappy"),
        ):
            if stored.startswith(magic):
                raise Unsupported(f"{name}: {codec} is not read here")
        return stored
    parts = []
    while stored[:2] == b"\x1f\x8b":
        member = zlib.decompressobj(31)
        parts.append(member.decompress(stored) + member.flush())
        if not member.eof:
            raise Unsupported(f"{name}: a damaged gzip stream")
        stored = member.unused_data.lstrip(b"\0")
    return b"".join(parts)
