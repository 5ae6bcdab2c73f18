"""Writes objects.txt: build/venv/bin/python objects.py > objects.txt

Each line is a protocol, a pickle of a session in hexadecimal, and what JSON shows
of it, with the types that are withheld by their keys where there are any.
"""

import base64
import collections
import datetime
import decimal
import enum
import fractions
import ipaddress
import json
import pickle
import uuid
import zoneinfo

import django
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, pgettext_lazy

settings.configure(USE_I18N=False)
django.setup()

DELTA = datetime.timedelta
UTC = datetime.timezone.utc
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
AT = datetime.datetime(2026, 10, 25, 2, 30, 0, 1234)


class Encoder(DjangoJSONEncoder):
    """Shows what DjangoJSONEncoder takes none of as the Go package does."""

    def default(self, o):
        if isinstance(o, (bytes, bytearray)):
            return base64.b64encode(o).decode()
        if isinstance(o, (set, frozenset)):
            return list(o)
        if isinstance(o, (complex, datetime.tzinfo)):
            return str(o)
        return super().default(o)


SHOWN = {
    "decimal": [decimal.Decimal(t) for t in ("1.50", "-0", "1E+5", "NaN", "-Infinity")],
    "uuid": [uuid.UUID(int=1), uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")],
    "sets": [set(), {1}, frozenset(), frozenset({"a"})],
    "dates": [datetime.date(1, 1, 1), datetime.date(2026, 2, 28)],
    "times": [datetime.time(), datetime.time(23, 59, 59, 999999), datetime.time(1, fold=1)],
    "datetimes": [AT, AT.replace(fold=1), AT.replace(tzinfo=UTC), AT.replace(microsecond=0, tzinfo=UTC)],
    "offsets": [AT.replace(tzinfo=datetime.timezone(DELTA(**d))) for d in (dict(hours=5.5), dict(hours=-3.5), dict(seconds=-1), dict(microseconds=7))],
    "zones": [AT.replace(tzinfo=BERLIN, fold=f) for f in (0, 1)] + [AT.replace(tzinfo=zoneinfo.ZoneInfo("UTC"))],
    "tzinfo": [UTC, BERLIN, datetime.timezone(DELTA(hours=-1)), datetime.timezone(DELTA(0), "Z")],
    "timedeltas": [DELTA(0), DELTA(1, 2, 3), DELTA(seconds=-1), DELTA(microseconds=-1), DELTA.min, DELTA.max],
    "dicts": [collections.OrderedDict(a=1), collections.defaultdict(list, {1: 2}), collections.defaultdict(None), collections.Counter("aab")],
    "safe": [mark_safe("<b>"), {mark_safe("é"): 1}],
    "lazy": [gettext_lazy("Hello"), pgettext_lazy("month", "May")],
    "bytes": [b"", b"\x00\xff", bytearray(), bytearray(b"\x00\xff")],
    "complex": [1 + 2j, -0.5j, complex("-0-1j"), complex("nan+infj"), 1e22 + 0j],
    "numbers": [True, False, 0, -1, 2**31, -(2**100), 1.5, -0.0, 1e-7],
    "texts": ["", "é\n\\☃😀\ud83d"],
    "keys": {1: 1, 2.5: 2, None: 3, False: 4},
}


class Color(enum.Enum):
    RED = 1


SHARED = [1]
WITHHELD = {
    "fraction": fractions.Fraction(1, 2),
    "address": ipaddress.ip_address("127.0.0.1"),
    "deque": collections.deque([1]),
    "range": [range(3)],
    "tuple keys": {(1, 2): 3},
    "class": {"a": decimal.Decimal},
    "shared": [SHARED, SHARED, (SHARED,), fractions.Fraction(1)],
}

for protocol in range(6):
    for name, value in SHOWN.items():
        if name == "safe" and protocol < 2:
            continue  # of which pickle makes no end
        text = pickle.dumps({name: value}, protocol)
        value = pickle.loads(text)  # which has lost its folds before protocol 4
        print(protocol, text.hex(), json.dumps(value, cls=Encoder, separators=(",", ":")))
    text = pickle.dumps({"a": 1, **WITHHELD}, protocol).hex()
    print(protocol, text, '{"a":1}', *map(json.dumps, WITHHELD))
