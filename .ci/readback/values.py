"""JSON value -> what its column must hold, by the rules of `coercion: lossless`.

Values take one form here, whoever read them, so that they can be compared and counted: a struct is the tuple of its
members, an array a tuple, a map the sorted tuple of its entries, a floating-point number its shortest text (NaN is NaN,
-0.0 is not 0.0).
"""

import base64
import binascii
import datetime as dt
import math
import re
import struct
from decimal import Decimal
from fractions import Fraction

from . import Rejected
from .frame import NUMBER
from .schema import INTEGERS, Type, member
from .times import EPOCH, read_time

INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ]00:00(?::00(?:[.,]0+)?)?(?: ?[Zz])?)?", re.ASCII)


def mismatch():
    return Rejected("Type.Mismatch")


def out_of_range():
    return Rejected("Type.Range")


def coerce(value, kind, column, set_null):
    """The value a column, member, element or map value of type `kind` must hold."""
    if value is None or value.kind == "null":
        return None
    try:
        return READERS[kind.name](value, kind, column, set_null)
    except Rejected as rejected:
        # The innermost nullable value is the one at hand: what lies within has been through here already.
        if set_null and rejected.codes & {"Type.Mismatch", "Type.Range"}:
            return None
        raise


def string(value, kind, column, set_null):
    return value.checked_string() if value.kind == "string" else value.text.decode("utf-8")


def integer(value, kind, column, set_null):
    text = token(value)
    if value.kind == "string" and not INTEGER.fullmatch(text):
        raise mismatch()
    number = Decimal(text)
    if number and number.adjusted() > 20:
        raise out_of_range()
    if number != number.to_integral_value():
        raise Rejected("Type.Range", "Type.Mismatch")
    limit = 1 << (INTEGERS[kind.name] - 1)
    if not -limit <= number < limit:
        raise out_of_range()
    return int(number)


def token(value):
    """The text of a number, bare or in a string."""
    if value.kind not in ("number", "string"):
        raise mismatch()
    return value.text.decode() if value.kind == "number" else value.checked_string()


def json_number(value):
    text = token(value)
    if not NUMBER.fullmatch(text.encode("utf-8")):
        raise mismatch()
    return text


def floating(value, kind, column, set_null):
    if value.kind == "string" and value.checked_string() in ("NaN", "Infinity", "-Infinity"):
        return repr(float(value.string()))
    text = json_number(value)
    try:
        number = float(text) if kind.name == "double" else nearest_single(text)
    except OverflowError:
        raise out_of_range() from None
    if math.isinf(number) or (number == 0 and Decimal(text) != 0):
        raise out_of_range()
    if not re.search("[.eE]", text) and int(text) != number:
        raise out_of_range()
    return repr(number)


def nearest_single(text):
    """Straight from the text: by way of a double it would be rounded twice."""
    near = struct.unpack("<f", struct.pack("<f", float(text)))[0]
    if near == 0 or math.isinf(near) or Decimal(text).adjusted() < -60:
        return near
    bits = struct.unpack("<i", struct.pack("<f", near))[0]
    around = [(struct.unpack("<f", struct.pack("<i", bits + step))[0], (bits + step) & 1) for step in (-1, 0, 1)]
    goal = Fraction(Decimal(text))
    return min((abs(Fraction(n) - goal), odd, n) for n, odd in around if math.isfinite(n))[2]


def decimal(value, kind, column, set_null):
    precision, scale = kind.numbers
    number = Decimal(json_number(value))
    if number == 0:
        return Decimal(0)
    sign, digits, exponent = number.as_tuple()
    kept = "".join(map(str, digits)).strip("0")
    trailing = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    exponent += trailing
    if -exponent > scale or len(kept) + exponent > precision - scale:
        raise out_of_range()
    return number


def boolean(value, kind, column, set_null):
    text = value.checked_string() if value.kind == "string" else value.kind
    if text not in ("true", "false"):
        raise mismatch()
    return text == "true"


def date(value, kind, column, set_null):
    found = DATE.fullmatch(value.checked_string()) if value.kind == "string" else None
    try:
        return dt.date.fromisoformat(found.group(1))
    except (AttributeError, ValueError):
        raise mismatch() from None


def timestamp(value, kind, column, set_null):
    try:
        instant = read_time(value, column.formats, column.timezone)
    except Rejected:
        raise Rejected("Type.Mismatch", "Type.Range") from None
    unit = 10**6 if kind.numbers == (6,) else 10**3
    return EPOCH + dt.timedelta(microseconds=math.floor(instant * unit) * (10**6 // unit))


def binary(value, kind, column, set_null):
    if value.kind != "string":
        raise mismatch()
    text = value.checked_string()
    try:
        if column.encoding == "utf8":
            return text.encode("utf-8")
        if column.encoding == "hex":
            return binascii.unhexlify(text.encode("ascii"))
        bare = text.translate({ord("-"): "+", ord("_"): "/"})
        bare = bare if "=" in bare else bare + "=" * (-len(bare) % 4)
        return base64.b64decode(bare, validate=True)
    except (ValueError, UnicodeEncodeError):
        raise mismatch() from None


def array(value, kind, column, set_null):
    if value.kind != "array":
        raise mismatch()
    return tuple(coerce(element, kind.inner[0], column, set_null) for element in value.held)


def structure(value, kind, column, set_null):
    if value.kind != "object":
        raise mismatch()
    keys = [column.member_keys.get(name, name) for name in kind.names]
    found = [member(value, key, keys) for key in keys]
    return tuple(coerce(pair and pair[1], inner, column, set_null) for pair, inner in zip(found, kind.inner))


def mapping(value, kind, column, set_null):
    if value.kind != "object":
        raise mismatch()
    if len({key for key, _ in value.held}) < len(value.held):
        raise Rejected("Json.DuplicateKey")
    entries = []
    for key, held in value.held:
        if any("\ud800" <= c <= "\udfff" for c in key):
            raise Rejected("Json.LoneSurrogate")
        entries.append((map_key(key, kind.inner[0], column), coerce(held, kind.inner[1], column, set_null)))
    return in_order(entries)


def map_key(key, kind, column):
    if kind == Type("string"):
        return key
    if kind.name == "date":
        return dt.date.fromisoformat(key)
    if not INTEGER.fullmatch(key):
        raise mismatch()
    return int(key)


def in_order(entries):
    return tuple(sorted(entries, key=lambda entry: (str(entry[0]), repr(entry[1]))))


READERS = {
    "string": string,
    "float": floating,
    "double": floating,
    "decimal": decimal,
    "boolean": boolean,
    "date": date,
    "timestamp": timestamp,
    "binary": binary,
    "array": array,
    "struct": structure,
    "map": mapping,
    **{name: integer for name in INTEGERS},
}


def stored(value, kind):
    """A value as pyarrow or DuckDB hand it over, in the form above."""
    if value is None:
        return None
    if kind.name == "array":
        return tuple(stored(element, kind.inner[0]) for element in value)
    if kind.name == "struct":
        return tuple(stored(value[name], inner) for name, inner in zip(kind.names, kind.inner))
    if kind.name == "map":
        entries = value.items() if isinstance(value, dict) else value
        return in_order([(stored(key, kind.inner[0]), stored(held, kind.inner[1])) for key, held in entries])
    return repr(value) if kind.name in ("float", "double") else value
