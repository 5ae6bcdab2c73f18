"""Python's, Django's and a site's own values, as sessions in caches may hold them."""

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import json
import pathlib
import uuid
import zoneinfo

from django.contrib.sessions.models import Session
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy, pgettext_lazy

UTC = datetime.timezone.utc
DELTA = datetime.timedelta
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
AT = datetime.datetime(2026, 10, 25, 2, 30, 59, 1234)


class Cart:
    def __init__(self, *items):
        self.items = list(items)


@dataclasses.dataclass
class Item:
    name: str
    price: decimal.Decimal


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b


class State:
    """Says itself what its state is."""

    def __init__(self, a):
        self.a = a

    def __getstate__(self):
        return ("state", self.a)

    def __setstate__(self, state):
        self.a = state[1]


class Named:
    """Is made with a named argument (NEWOBJ_EX)."""

    def __new__(cls, *, a):
        self = super().__new__(cls)
        self.a = a
        return self

    def __getnewargs_ex__(self):
        return (), {"a": self.a}


def set_state(target, state):
    target.__dict__.update(state)


class Set:
    """Has its state set by a function (a reduction of six)."""

    def __init__(self, a):
        self.a = a

    def __reduce__(self):
        return Set, (None,), {"a": self.a}, None, None, set_state


class Boxed:
    """Is made with a list that it is in."""

    def __init__(self, box):
        self.box = box

    def __reduce__(self):
        return Boxed, (self.box,)


class Members(list):
    pass


class Options(dict):
    pass


class Tags(set):
    pass


class Text(str):
    pass


class Outer:
    class Inner:
        def __init__(self, a):
            self.a = a


class Node:
    """Holds its parent, which holds it."""

    def __init__(self, parent=None):
        self.parent, self.children = parent, []
        if parent:
            parent.children.append(self)


Point = collections.namedtuple("Point", "x y")


class Color(enum.Enum):
    RED = "red"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Status(models.TextChoices):
    OPEN = "open", "Open"


class Level(models.IntegerChoices):
    LOW = 1


def node():
    root = Node()
    Node(Node(root))
    return root


def loop():
    """Makes a tuple that is in a list that it holds."""
    inner = []
    inner.append((inner,))
    return inner[0]


def wide():
    inner = []
    inner.append((inner, 1, 2, 3))
    return inner[0]


def frozen():
    root = Node()
    root.parent = frozenset({root})
    return root.parent


def box():
    box = []
    box.append(Boxed(box))
    return box


def deep():
    value = []
    for _ in range(200):
        value = [value]
    return value


TEXTS = [f"text {i}" for i in range(300)]

# Those that are shown, by their names.
SHOWN = {
    "Decimal": decimal.Decimal("12.50"),
    "Decimals": [decimal.Decimal(t) for t in ("0", "-0.00", "1E+5", "1E-30", "Infinity", "-Infinity", "NaN", "sNaN12")],
    "UUID": uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
    "UUIDs": [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.uuid1(1, 1)],
    "set": {7},
    "sets": [set(), frozenset(), frozenset({"a"}), {(1, 2)}],
    "date": datetime.date(2026, 2, 28),
    "time": datetime.time(23, 59, 59),
    "times": [datetime.time(), datetime.time(1, 2, 3, 4), datetime.time(1, 2, 3, 999999, fold=1)],
    "datetime": AT,
    "datetime UTC": AT.replace(tzinfo=UTC),
    "datetime offset": AT.replace(microsecond=0, tzinfo=datetime.timezone(-DELTA(hours=3, minutes=30))),
    "datetime named": AT.replace(tzinfo=datetime.timezone(DELTA(hours=1), "CET")),
    "datetime ZoneInfo": AT.replace(tzinfo=BERLIN),
    "datetime folded": AT.replace(tzinfo=BERLIN, fold=1),
    "datetime ZoneInfo UTC": AT.replace(tzinfo=zoneinfo.ZoneInfo("UTC")),
    "datetimes": [datetime.datetime.min, datetime.datetime.max, AT.replace(tzinfo=datetime.timezone(DELTA(microseconds=1)))],
    "timezone": [UTC, datetime.timezone(DELTA(hours=-1)), datetime.timezone(DELTA(0), "Z")],
    "ZoneInfo": BERLIN,
    "timedelta": DELTA(days=1, seconds=2),
    "timedeltas": [DELTA(0), DELTA(microseconds=-1), DELTA(days=-1, hours=3), DELTA.min, DELTA.max],
    "OrderedDict": collections.OrderedDict([("b", 1), ("a", decimal.Decimal(2))]),
    "defaultdict": collections.defaultdict(list, {"a": [1], 2: ()}),
    "defaultdict bare": collections.defaultdict(),
    "Counter": collections.Counter("abba"),
    "SafeString": mark_safe("<b>é</b>"),
    "SafeString key": {mark_safe("k"): mark_safe("")},
    "lazy": gettext_lazy("Hello"),
    "lazy with context": pgettext_lazy("month name", "May"),
    "lazy object": SimpleLazyObject(lambda: decimal.Decimal(1)),
    "bytes": b"\x00\xff",
    "no bytes": b"",
    "bytearray": bytearray(b"\x00\xff"),
    "no bytearray": bytearray(),
    "tuple": (),
    "tuples": [(1,), (1, 2), (1, 2, 3), (1, 2, 3, (4,))],
    "complex": [1 + 2j, -0.5j, complex("-0-1j"), 1e22 + 1e-7j, complex("nan+infj"), complex("-inf-nanj")],
    "keys": {1: 1, 2.5: 2, None: 3, False: 4, float("nan"): 5, float("-inf"): 6},
    "floats": [0.1, -0.0, 1e22, 1e-7, 5e-324],
    "ints": [0, -1, 255, 2**31, -(2**31) - 1, 2**64, -(10**4299)],
    "TextChoices label": [Status.OPEN.label, Status.OPEN.value],
    "strs": ["", "\n\r\x00\x1a\\u0041", "é☃😀\ud83d", "x" * 300],
}

# Those that are withheld.
WITHHELD = {
    "class of the site": Cart(Item("a", decimal.Decimal(1))),
    "dataclass": Item("a", decimal.Decimal(1)),
    "model": Session(session_key="k", expire_date=AT),
    "slots": Slots(1, [2]),
    "state": State({"a": 1}),
    "named": Named(a=1),
    "list of the site": Members([1, 2]),
    "dict of the site": Options(a=1),
    "set of the site": Tags({1}),
    "str of the site": Text("a"),
    "class in a class": Outer.Inner(1),
    "nodes": node(),
    "box": box(),
    "boxed": box()[0],
    "wide loop": wide(),
    "many texts": Cart(TEXTS, TEXTS[::-1]),
    "loop": loop(),
    "namedtuple": Point(1, 2),
    "Enum": Color.RED,
    "Flag": Rights.READ | Rights.WRITE,
    "TextChoices": Status.OPEN,
    "IntegerChoices": Level.LOW,
    "lazy format": format_lazy("{}", 1),
    "Fraction": fractions.Fraction(1, 3),
    "address": ipaddress.ip_address("2001:db8::1"),
    "path": pathlib.PurePosixPath("/a/b"),
    "deque": collections.deque([1], 5),
    "range": range(3),
    "partial": functools.partial(int, base=2),
    "exception": ValueError("a", 1),
    "function": len,
    "class": decimal.Decimal,
    "time with a zone": datetime.time(1, tzinfo=UTC),
    "tuple as key": {(1, 2): 3},
    "bytes as key": {b"a": 1},
    "Decimal as key": {decimal.Decimal(1): 1},
    "deep": deep(),
    "large int": 10**5000,
    "in a list": [1, [Color.RED]],
    "in an OrderedDict": collections.OrderedDict(a=Color.RED),
}

# Of those a write of another key is refused: their pickle calls for an effect, or, before
# protocol 4, makes a frozenset of a list that would be empty in another order.
UNWRITABLE = {"set by a function": Set([1]), "frozen loop": frozen()}

VALUES = {**SHOWN, **WITHHELD, **UNWRITABLE}


class Encoder(DjangoJSONEncoder):
    """Shows what DjangoJSONEncoder takes none of as we do."""

    def default(self, o):
        if isinstance(o, (bytes, bytearray)):
            return base64.b64encode(o).decode()
        if type(o) in (set, frozenset):
            return list(o)
        if isinstance(o, (complex, datetime.tzinfo)):
            return str(o)
        return super().default(o)


def own(value):
    """Reports whether a value is of a class that is not on our list, or holds one.

    The encoder writes such a value where its class is a subclass of a known one.
    """
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value) not in (list, tuple, set, frozenset) or any(map(own, value))
    if isinstance(value, dict):
        known = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
        return type(value) not in known or any(own(v) for kv in value.items() for v in kv)
    if isinstance(value, Promise):  # what was called cannot be known but for a translation
        return value.__reduce__()[1][0].__name__ not in ("gettext", "pgettext")
    return isinstance(value, (Text, enum.Enum)) or (isinstance(value, int) and abs(value) >= 10**4300)


def shown(data):
    """Says what JSON shows of a session: text for each key that has any."""
    texts = {}
    for key, value in data.items():
        try:
            text = json.dumps({key: value}, cls=Encoder, separators=(",", ":"))
            if own(value):
                continue
            depth(value)
        except (TypeError, ValueError, RecursionError):
            continue
        for word in ("-Infinity", "Infinity", "NaN"):  # no text of a test has them but alone
            text = text.replace(f":{word}", ":null").replace(f"[{word}", "[null").replace(f",{word}", ",null")
        texts[key] = text[1:-1]
    return "{" + ",".join(texts.values()) + "}"


def depth(value, level=1):
    if level > 128:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple, set, frozenset)):
        return
    for v in value:
        depth(v, level + 1)


def describe(value, seen=None):
    """Writes a value with all types, and objects that are the same as such."""
    seen = {} if seen is None else seen
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind in (int, bool, float, str, bytes, complex, type(None), type, type(len)) or isinstance(value, enum.Enum):
        return f"{name}={hex(value) if kind is int else repr(value)}"
    if kind is tuple and not value:
        return "()"
    if id(value) in seen:
        return f"#{seen[id(value)][0]}"
    seen[id(value)] = (len(seen), value)
    parts = []
    if isinstance(value, dict):
        parts += [f"{describe(k, seen)}:{describe(v, seen)}" for k, v in value.items()]
    elif isinstance(value, (list, tuple, collections.deque)):
        parts += [describe(v, seen) for v in value]
    elif isinstance(value, (set, frozenset)):
        parts += sorted(describe(v, dict(seen)) for v in value)
    elif not hasattr(value, "__dict__") and kind is not Slots:
        parts.append(repr(value))
    for name in ("a", "b", "default_factory", "maxlen"):
        if kind in (Slots, collections.defaultdict, collections.deque) and hasattr(value, name):
            parts.append(repr(getattr(value, name)))
    if hasattr(value, "__dict__"):
        parts.append(describe(dict(sorted(vars(value).items())), seen))
    return f"{kind.__module__}.{kind.__qualname__}({' '.join(parts)})"
