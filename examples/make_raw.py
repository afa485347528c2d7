#!/usr/bin/env python3
"""Makes examples/raw: a small raw bucket as Firehose leaves it, the same records on every run and machine.

    make_raw.py [DIR]            write the objects (default: the folder `raw` beside this file)
    make_raw.py --check [DIR]    write nothing; exit 1 unless DIR holds exactly these objects

A key names the hour of arrival, `2019/10/12/03/<stream>-<version>-2019-10-12-03-05-11-<uuid>`; the records inside name
their own hours: seconds to days earlier, across midnight, across new year. --check compares what gzip objects hold and
not their bytes, because the deflate of two zlib builds may differ.

Every bad record has one fault, and a good record stands on either side of it. Times that are "too new" lie in 2399 and
those "too old" in 1819, so nothing depends on the files' modification times (a fresh clone has its own).
"""

import argparse
import base64
import datetime as dt
import gzip
import json
import pathlib
import random
import struct
import sys
import uuid
import zlib

UTC = dt.timezone.utc
BOM = b"\xef\xbb\xbf"


class Dice:
    """Choices from one seed, by `random()` and `getrandbits()` alone, which no Python release has ever changed."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def below(self, n):
        return int(self._random.random() * n)

    def between(self, low, high):
        return low + self._random.random() * (high - low)

    def chance(self, percent):
        return self.below(100) < percent

    def one(self, choices):
        return choices[self.below(len(choices))]

    def bits(self, n):
        return self._random.getrandbits(n)

    def uuid(self):
        return str(uuid.UUID(int=self.bits(128), version=4))

    def bytes(self, n):
        return bytes(self.below(256) for _ in range(n))


class Token(str):
    """JSON text that stands in a record exactly as written: `12.50`, `1e3`, `"\\u00e9"`."""


def number(n):
    return Token(str(n))


# -------------------- JSON, as apps write it

COMPACT, SPACED, INDENTED = "compact", "spaced", "indented"


def text(value, style, depth=0):
    """JSON text in one of three styles. The compact one leaves non-ASCII as UTF-8, the others escape it."""
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, dict):
        colon = ":" if style == COMPACT else ": "
        parts = [text(key, style) + colon + text(item, style, depth + 1) for key, item in value.items()]
        return wrapped("{", parts, "}", style, depth)
    if isinstance(value, list):
        return wrapped("[", [text(item, style, depth + 1) for item in value], "]", style, depth)
    return json.dumps(value, ensure_ascii=style != COMPACT)


def wrapped(opening, parts, closing, style, depth):
    if style != INDENTED or not parts:
        return opening + (", " if style == SPACED else ",").join(parts) + closing
    margin = "\n" + "  " * (depth + 1)
    return opening + margin + ("," + margin).join(parts) + "\n" + "  " * depth + closing


# -------------------- records

CONTENTS = [
    "plain text", "", " ", "null", 'with "quotes" and \\ backslash', "two\nlines", "tab\there", "carriage\r\nreturn",
    "Grüße aus Köln", "日本語のテキスト", "🛒 cart", "👩‍👩‍👧 family", "e\u0301 in two code points", "\u2028 line separator",
    '{"looks":"like json"}', "}{", "a}{b", "[1,2", "ends in a backslash \\", "\u0001 control", "nul \u0000 inside",
    Token('"\\ud83d\\ude00 escaped pair"'), Token('"sl\\/ash"'), Token('"\\u0041\\u00e9"'), "'; drop table x; --",
    Token("1.50"), Token("-0"), Token("1E+2"), Token("true"), Token("null"), Token("[ ]"),
    Token('{"nested": [1, 2.50, {"deep": "\\u00e9"}],  "spaced" : true}'),
]
PAGES = ["/", "/home", "/cart", "/checkout", "/help?topic=retours&lang=de", "/search?q=%C3%A9clair", "/product/"]
CITIES = [
    ("DE", "Köln", 50.9375, 6.9603),
    ("JP", "東京", 35.6895, 139.6917),
    ("US", "St. Paul", 44.9537, -93.09),
    ("BR", "São Paulo", -23.5505, -46.6333),
]
PROPS = [{}, {"coupon": "A", "Coupon": "a"}, {"weight": Token("1.50"), "fragile": True}, {"note": None}, None]
SKUS = ["tea-001", "mug-17", 'pot "large"', "kettle/2", "küche-3"]


def account(dice, at):
    record = {
        "id": dice.uuid(),
        "time": at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "type": dice.one(["sign_up", "login", "login", "login", "logout"]),
        "content": dice.one(CONTENTS) if dice.chance(60) else "%032x" % dice.bits(128),
        "state": "raw",
    }
    if dice.chance(40):
        record["user"] = {"id": number(dice.bits(40)), "name": "user %d" % dice.below(1000)}
    if dice.chance(5):  # an older app: other capitals, other order, a field nobody declared
        record = {"Type": record.pop("type"), "ID": record.pop("id"), "appVersion": "1.0.%d" % dice.below(9), **record}
    return record


def page_view(dice, at):
    milliseconds = (at - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(milliseconds=1)
    page = dice.one(PAGES)
    record = {
        "id": dice.uuid(),
        "time": number(milliseconds),
        "type": "page_view",
        "user_id": dice.one([number(dice.bits(44)), Token('"%d"' % dice.bits(30)), None]),
        "url": page + str(dice.below(5000)) if page.endswith("product/") else page,
        "duration_ms": dice.one([number(dice.below(60000)), Token("1.5e3"), Token("250.0"), None]),
        "viewport": {"width": dice.one([1920, 1280, 390]), "height": dice.one([1080, 720, 844])},
        "state": "raw",
    }
    if dice.chance(30):
        record["experiments"] = {"new-cart": 1, "Größe": dice.below(3)}
    if dice.chance(20):
        record["utm"] = {
            "source": "newsletter",
            "Campaign": dice.one(['spring "sale"', "été", "10%"]),
            "cost": Token("0.10"),
        }
    if dice.chance(10):
        record["ab_bucket"] = dice.one([7, True, "B", Token("1e2")])
    return record


def purchase(dice, at):
    hours = dice.one([0, 2, -5, 9])
    local = at.astimezone(dt.timezone(dt.timedelta(hours=hours)))
    zone = "Z" if hours == 0 else "%+03d:00" % hours
    country, city, lat, lon = dice.one(CITIES)
    whole_place = {"country": country, "city": city, "lat": lat, "lon": lon, "postal-code": "%05d" % dice.below(99999)}
    items, cents = [], 0
    for _ in range(1 + dice.below(3)):
        quantity, price = 1 + dice.below(4), 1 + dice.below(20000)
        cents += quantity * price
        items.append({"sku": dice.one(SKUS), "quantity": quantity, "price": Token("%d.%02d" % divmod(price, 100))})
    amount = "%d.%02d" % divmod(cents, 100)
    return {
        "id": dice.uuid(),
        "time": local.strftime("%Y-%m-%dT%H:%M:%S.%f") + zone,
        "type": "purchase",
        "order_no": number(9007199254740993 + dice.bits(40)),  # beyond 2^53: going through doubles changes it
        "amount": dice.one([Token(amount), amount, Token(amount + "00"), Token("%de-2" % cents)]),
        "paid": dice.chance(90),
        "rating": dice.one([None, number(dice.below(6)), Token("-128"), Token("127")]),
        "discount": dice.one([Token("0.1"), Token("0.25"), Token("-0.0"), Token("1e-3"), None]),
        "delivery_date": (local + dt.timedelta(days=dice.below(9))).strftime("%Y-%m-%d"),
        "geo": dice.one([whole_place, {"city": city}, None]),
        "tags": dice.one([[], ["gift"], ["gift", None, "größer"], ["a", "b", "a"], None]),
        "props": dice.one(PROPS),
        "items": items,
        "state": "raw",
    }


def sensor(dice, at):
    kind = dice.one(["temperature", "humidity", "door"])
    micros = (at - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(microseconds=1)
    payload = dice.bytes(dice.below(24))
    encode = dice.one([base64.b64encode, base64.urlsafe_b64encode])
    encoded = encode(payload).decode()
    reading = {
        "temperature": Token("%d.%d" % (dice.below(40) - 10, dice.below(100))),
        "humidity": number(dice.below(101)),
        "door": Token("1"),
    }[kind]
    return {
        "source": "warehouse",
        "kind": kind,
        "device": "gate-%02d" % dice.below(20),
        "time": {"$.date": Token("%d.%06d" % divmod(micros, 1000000))},
        "reading": dice.one([reading, reading, reading, "n/a", "NaN", None]),
        "battery": dice.one([number(dice.below(101)), number(dice.below(101)), "low", {"percent": 3}]),
        "payload": encoded.rstrip("=") if dice.chance(30) else encoded,
    }


def shipment(dice, local):
    """`local` is what a clock in Berlin shows; nothing in the record says so, only the table does."""
    return {
        "type": "shipment",
        "shipment": "S-%06d" % dice.below(1000000),
        "when": local.strftime(dice.one(["%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M"])),
        "carrier": dice.one(["Schnell & Söhne", '"Express"', "Post"]),
        "parcels": 1 + dice.below(30),
        "weight_kg": Token("%d.%d" % (dice.below(90), dice.below(10))),
        "promised": dice.one([local.strftime("%Y-%m-%d"), local.strftime("%Y-%m-%d 00:00:00"), None]),
    }


def shop_record(dice, at):
    kind = dice.below(100)
    if kind < 45:
        return account(dice, at)
    return page_view(dice, at) if kind < 80 else purchase(dice, at)


def happened(dice, arrival):
    """When a record that arrived now happened: mostly seconds ago, at times hours, seldom days."""
    luck = dice.below(100)
    latest, earliest = (
        (0.05, 90) if luck < 86 else (60, 7200) if luck < 95 else (7200, 86400) if luck < 98 else (86400, 432000)
    )
    seconds = dice.between(latest, earliest)
    return arrival - dt.timedelta(microseconds=int(seconds * 1000000))


def records(dice, start, count, make=shop_record, minutes=14, late=happened):
    """`count` records that arrived in the minutes after `start`, in order of arrival."""
    offsets = sorted(dice.between(0, minutes * 60) for _ in range(count))
    return [make(dice, late(dice, start + dt.timedelta(microseconds=int(offset * 1000000)))) for offset in offsets]


# -------------------- bad records


def bad_lines(dice, at):
    """Code -> lines that must be rejected with it. Each has this one fault."""

    def login(**changes):
        time = at.strftime("%Y-%m-%d %H:%M:%S.%f")
        record = {"id": dice.uuid(), "time": time, "type": "login", "content": "x", "state": "raw", **changes}
        return {key: value for key, value in record.items() if value is not ...}

    def changed(make, **changes):
        return {**make(dice, at), **changes}

    def line(record):
        return text(record, COMPACT).encode()

    whole = line(login())
    return {
        "Json.Truncated": [whole[: whole.index(b'"content":') + 10]],
        "Json.Truncated or Json.Syntax, then Json.Syntax": [line(login(content=Token('"first line\nsecond line"')))],
        "Json.NotAnObject": [
            b"[1,2,3]",
            b'"only text"',
            b"42",
            b"null",
        ],
        "Json.TooDeep": [line(login(content=Token("[" * 200 + "]" * 200)))],
        "Json.DuplicateKey": [whole.replace(b'"id":', b'"id":"first","id":', 1)],
        "Json.InvalidUtf8": [
            line(login(content="?")).replace(b"?", b"\xff\xfe"),
            line(login(content="?")).replace(b"?", b"\xc3("),
        ],
        "Json.LoneSurrogate": [line(login(content=Token('"half a smile \\ud83d"')))],
        "Json.Syntax": [
            whole.replace(b'"', b"'"),
            whole[:-1] + b",}",
            line(login(content=Token("NaN"))),
            line(login(content=Token('"tab\there"'))),
            b"\x00\x00\x00\x00",
            b"WARN 2019-10-12T09:12:00Z a log line in the wrong stream",
        ],
        "Route.NoTable": [
            line(login(type="refund")),
            line(login(type=...)),
            line(login(type=number(7))),
            line(changed(sensor, kind="smoke")),
        ],
        "EventTime.Missing": [
            line(login(time=...)),
            line(login(time=None)),
        ],
        "EventTime.Unreadable": [
            line(login(time="yesterday")),
            line(login(time="2019-02-30 12:00:00")),
            line(login(time="20191012")),
            line(login(time=True)),
        ],
        "EventTime.TooNew": [line(login(time="2399-01-01 00:00:00"))],
        "EventTime.TooOld": [line(login(time="1819-10-12 02:37:22.178652"))],
        "EventTime.OutOfRange": [line(changed(page_view, time=Token("10000000000000000000")))],
        "EventTime.Nonexistent": [line(changed(shipment, when="29.03.2020 02:30:00"))],
        "Type.Mismatch": [
            line(changed(page_view, user_id="somebody")),
            line(changed(page_view, viewport="1920x1080")),
            line(changed(purchase, paid="yes")),
            line(changed(purchase, tags="gift")),
        ],
        "Type.Range": [
            line(changed(purchase, rating=number(128))),
            line(changed(purchase, amount=Token("12.345"))),
            line(changed(purchase, amount=Token("99999999999.00"))),
            line(changed(page_view, duration_ms=Token("1e12"))),
        ],
        "Type.Null": [
            line(login(id=None)),
            line(login(id=...)),
        ],
        "Field.Unknown": [line(changed(purchase, gift_wrap="silver"))],
    }


# -------------------- objects


def lines(some, ending=b"\n", style=COMPACT):
    return b"".join(text(record, style).encode() + ending for record in some)


def gzip_member(data):
    """One gzip member with nothing in its header that depends on the machine: no name, time 0, system unknown."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def objects():
    """Each object: (key, bytes)."""
    made = []

    def put(stream, start, data, extension=""):
        # One seed an object, so that changing one leaves the others as they are.
        name = Dice("name %s %s" % (stream, start)).uuid()
        key = "%s/%s-1-%s-%s%s" % (
            start.strftime("%Y/%m/%d/%H"),
            stream,
            start.strftime("%Y-%m-%d-%H-%M-%S"),
            name,
            extension,
        )
        made.append((key, data))

    def at(written):
        return dt.datetime.strptime(written, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)

    def dice(start):
        return Dice("records of %s" % start)

    # Firehose with AppendDelimiterToRecord: a newline after each record.
    start = at("2019-10-12 03:05:11")
    first = records(dice(start), start, 160)
    put("shop-events", start, lines(first))

    # GZIP; and ten records of the object above once more, as a producer that retries sends them: ten more rows.
    start = at("2019-10-12 03:20:12")
    put("shop-events", start, gzip_member(lines(first[40:50] + records(dice(start), start, 500))), ".gz")

    # Firehose as it is by default: records run together, nothing between them. Then the same, spaced and compressed.
    start = at("2019-10-12 03:35:14")
    put("shop-events", start, lines(records(dice(start), start, 120), b""))
    start = at("2019-10-12 04:05:10")
    put("shop-events", start, gzip_member(lines(records(dice(start), start, 500), b"", SPACED)), ".gz")

    # Producers that compress themselves, delivered uncompressed: several gzip members, no extension, one of them empty,
    # most of them ending inside a record.
    start = at("2019-10-12 05:00:02")
    data = lines(records(dice(start), start, 140))
    cuts = [0, 5000, 5000, 5001, 12345, 20000, len(data)]
    put("shop-events", start, b"".join(gzip_member(data[a:b]) for a, b in zip(cuts, cuts[1:])))

    # Printed over several lines, a blank line between.
    start = at("2019-10-12 06:10:44")
    put("shop-events", start, lines(records(dice(start), start, 24), b"\n\n", INDENTED))

    # From a Windows machine: a BOM, CRLF, and no newline at the end.
    start = at("2019-10-12 07:31:09")
    put("shop-events", start, BOM + lines(records(dice(start), start, 40), b"\r\n").rstrip())

    # Nothing at all.
    put("shop-events", at("2019-10-12 08:00:00"), b"")

    # One of each fault, good records between; then faults among records that run together.
    start = at("2019-10-12 09:12:30")
    d = dice(start)
    good = records(d, start, 50)
    bad = [line for lines_of_code in bad_lines(d, start).values() for line in lines_of_code]
    parts = [lines(good[:1])]
    for index, line in enumerate(bad):
        parts += [line, b"\n", lines(good[index + 1 : index + 2])]
    put("shop-events", start, b"".join(parts))
    start = at("2019-10-12 10:01:55")
    good = records(dice(start), start, 20)
    together = [lines([record], b"") for record in good]
    together.insert(4, b'{"id":"no value","time":,"type":"login"}')
    together.insert(9, b'{"id":"no comma" "type":"login"}')
    together.append(together.pop()[:-9])  # the last one is cut off
    put("shop-events", start, b"".join(together))

    # Around midnight and around new year: records of both days and both years in each.
    for written in ("2019-10-13 00:00:20", "2019-10-15 23:58:41", "2019-12-31 23:57:03", "2020-01-01 00:02:00"):
        start = at(written)
        put("shop-events", start, gzip_member(lines(records(dice(start), start, 160, minutes=5))), ".gz")

    # Devices: seconds with six decimals in {"$.date": ...}, a binary payload, and no type. Some were offline for days.
    for written, count in (("2019-10-12 03:00:00", 350), ("2019-10-12 04:00:00", 250), ("2020-01-01 00:00:00", 200)):
        start = at(written)
        put(
            "warehouse-sensors",
            start,
            gzip_member(lines(records(dice(start), start, count, sensor, minutes=55))),
            ".gz",
        )

    # Local times around the end of summer time in Berlin: 2019-10-27 02:00 to 03:00 occurs twice.
    start = at("2019-10-27 06:00:00")
    d = dice(start)
    local = dt.datetime(2019, 10, 26, 22, 0)
    some = [shipment(d, local + dt.timedelta(minutes=5 * n)) for n in range(110)]
    put("shipments", start, lines(some))
    return made


# -------------------- command line


def content(data):
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def check(folder, made):
    """What differs, one line each."""
    wanted = dict(made)
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    differing = ["missing: " + key for key in sorted(wanted.keys() - there.keys())]
    differing += ["not made here: " + key for key in sorted(there.keys() - wanted.keys())]
    for key in sorted(wanted.keys() & there.keys()):
        if content(there[key].read_bytes()) != content(wanted[key]):
            differing.append("other content: " + key)
    return differing


def main():
    parser = argparse.ArgumentParser(description="Makes the raw objects of the examples.")
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent / "raw")
    args = parser.parse_args()
    made = objects()
    if not args.check:
        for key, data in made:
            path = args.folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    differing = check(args.folder, made)
    for line in differing:
        print(line, file=sys.stderr)
    print("%d objects, %d bytes" % (len(made), sum(len(data) for _, data in made)))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
