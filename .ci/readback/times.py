"""When a record happened: JSON value -> exact seconds since the epoch, or why not."""

import datetime as dt
import re
import zoneinfo
from decimal import Decimal
from fractions import Fraction

from . import Rejected, Unsupported

STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?: ?(Z|z|UTC|GMT|([+-])(\d\d)(?::?(\d\d))?))?",
    re.ASCII,
)
DIGITS = re.compile(r"-?(\d+)(?:\.\d+)?", re.ASCII)
UNITS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}
WHITE = " \t\r\n"
EPOCH = dt.datetime(1970, 1, 1)
PATTERN_KNOWN = set("YmdHMSzbBy%")


class NotThisFormat(Exception):
    """Another format may read it."""


def read_time(value, formats, timezone):
    """Exact seconds as a Fraction, or Rejected with an EventTime code."""
    for name in formats:
        try:
            found = read_as(value, name, timezone)
        except NotThisFormat:
            continue
        if not -62135596800 <= found < 253402300800:  # years 0001 to 9999
            raise Rejected("EventTime.OutOfRange")
        return found
    raise Rejected("EventTime.Unreadable")


def read_as(value, name, timezone):
    if value.kind == "object":
        return wrapped(value, timezone)
    if value.kind == "number":
        number = exact(value.text.decode())
        if name in UNITS:
            return number / UNITS[name]
        if name != "auto":
            raise NotThisFormat
        return by_magnitude(number)
    if value.kind != "string":
        raise NotThisFormat
    text = value.string()
    if name == "auto":
        try:
            return stamp(text.strip(WHITE), timezone)
        except NotThisFormat:
            digits = DIGITS.fullmatch(text.strip(WHITE))
            if digits and len(digits.group(1)) in (9, 10, 11, 12, 13, 15, 16, 18, 19):
                return by_magnitude(exact(text.strip(WHITE)))
            raise
    if name == "rfc3339":
        return stamp(text, timezone, strict=True)
    if name in UNITS:
        if not DIGITS.fullmatch(text):
            raise NotThisFormat
        return exact(text) / UNITS[name]
    return by_pattern(text, name, timezone)


def exact(text):
    number = Decimal(text)
    if number and not -60 < number.adjusted() < 40:
        # A Fraction of 1e999999999 would not end; its sign and size class are all that counts here.
        return Fraction(10**40 if number.adjusted() > 0 else Fraction(1, 10**60)) * (-1 if number < 0 else 1)
    return Fraction(number)


def by_magnitude(number):
    if abs(number) < 10**11:
        return number
    if abs(number) < 10**14:
        return number / 10**3
    if abs(number) < 10**17:
        return number / 10**6
    if not -(2**63) <= number < 2**63:
        raise Rejected("EventTime.OutOfRange")
    return number / 10**9


def wrapped(value, timezone):
    """{"$date": milliseconds} or {"$.date": seconds}"""
    if len(value.held) != 1 or value.held[0][0] not in ("$date", "$.date"):
        raise NotThisFormat
    key, inner = value.held[0]
    if (
        key == "$date"
        and inner.kind == "object"
        and [k for k, _ in inner.held] == ["$numberLong"]
        and inner.held[0][1].kind == "string"
    ):
        digits = inner.held[0][1].string()
        if not re.fullmatch(r"-?\d+", digits, re.ASCII):
            raise NotThisFormat
        return exact(digits) / 1000
    if inner.kind == "number":
        return exact(inner.text.decode()) / (1000 if key == "$date" else 1)
    if inner.kind == "string":
        return stamp(inner.string().strip(WHITE), timezone)
    raise NotThisFormat


def stamp(text, timezone, strict=False):
    found = STAMP.fullmatch(text)
    if not found:
        raise NotThisFormat
    year, month, day, hour, minute, second, digits, zone, sign, zone_hours, zone_minutes = found.groups()
    if strict and (second is None or zone is None):
        raise NotThisFormat
    try:
        local = dt.datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
    except ValueError:
        if year == "0000":
            raise Rejected("EventTime.OutOfRange", "EventTime.Unreadable") from None
        raise NotThisFormat from None
    if zone is None:
        whole = from_local(local, timezone)
    else:
        offset = (int(zone_hours) * 60 + int(zone_minutes or 0)) * 60 if sign else 0
        if offset > 86399 or int(zone_minutes or 0) > 59:
            raise NotThisFormat
        whole = since_epoch(local) - (-offset if sign == "-" else offset)
    return whole + (Fraction(int(digits[:9]), 10 ** len(digits[:9])) if digits else 0)


def since_epoch(local):
    return Fraction((local - EPOCH) // dt.timedelta(seconds=1))


def from_local(local, timezone):
    """An hour that occurs twice is the earlier one; one that does not occur is no time."""
    zone = zoneinfo.ZoneInfo(timezone)
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset().total_seconds() for fold in (0, 1))
    if first < second:
        raise Rejected("EventTime.Nonexistent")
    return since_epoch(local) - int(first)


def by_pattern(text, pattern, timezone):
    if not set(re.findall(r"%(.)", pattern)) <= PATTERN_KNOWN:
        raise Unsupported(f"time pattern {pattern!r}")
    try:
        local = dt.datetime.strptime(text, pattern)
    except ValueError:
        raise NotThisFormat from None
    if local.tzinfo is None:
        return from_local(local, timezone)
    return since_epoch(local.replace(tzinfo=None)) - int(local.utcoffset().total_seconds())
