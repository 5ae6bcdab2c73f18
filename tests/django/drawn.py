"""Draws values of values.py, in and beside one another."""

import collections
import datetime
import zoneinfo

from django.utils.safestring import mark_safe
from values import DELTA, UNWRITABLE, VALUES, Cart, Options, box, loop, node, wide


def draw(r, depth, pool):
    """Draws a value, now and then one that was drawn before."""
    if pool and r.randrange(6) == 0:
        return r.choice(pool)
    kind = r.randrange(13 if depth else 6)
    if kind == 12:
        return cycle(r, pool)
    if kind < 4:
        value = r.choice(ATOMS)
    elif kind == 4:
        value = r.choice(WHOLE)
    elif kind == 5:
        value = r.choice([r.randrange(-(2**70), 2**70) >> r.randrange(80), r.randbytes(r.choice([1, 200, 300])), r.random() * 10 ** r.randrange(-30, 30), moment(r)])
    else:
        items = [draw(r, depth - 1, pool) for _ in range(r.randrange(5))]
        keys = ["a", 1, 2.5, None, mark_safe("safe")]
        r.shuffle(keys)
        pairs = dict(zip(keys, items))
        value = r.choice([items, tuple(items), pairs, collections.OrderedDict(pairs), collections.defaultdict(list, pairs), Cart(*items), Options(pairs), items])
    pool.append(value)
    return value


def moment(r):
    at = datetime.datetime(1, 1, 2) + DELTA(microseconds=r.randrange(9998 * 365 * 86400 * 10**6))
    zone = r.choice(["naive", "offset", "zone", "zone"])
    if zone == "offset":
        return at.replace(tzinfo=datetime.timezone(DELTA(minutes=r.randrange(-720, 840))))
    if zone == "zone":
        at = at.replace(year=r.choice([1700, 1890, 1916, 1945, 1970, 1999, 2020, 2037, 2038, 2200, at.year]), month=r.choice([3, 4, 10, 11]), day=r.randrange(1, 29), hour=r.randrange(4))
        return at.replace(tzinfo=zoneinfo.ZoneInfo(r.choice(ZONES)), fold=r.randrange(2))
    return at


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia", "Europe/Dublin", "UTC")
ATOMS = [None, True, False, 1.5, "\ud83d", "☃", 10**30, b"", (), float("nan"), float("inf")]
WHOLE = [v for name, v in VALUES.items() if name not in UNWRITABLE and name not in ("deep", "large int", "ints")]


def cycle(r, pool):
    """Makes one of the values that hold one another, and has others in the pool."""
    root, tuple_, wide_, list_ = node(), loop(), wide(), box()
    child = root.children[0]
    values = r.choice([[root, child, child.children], [child, root], [tuple_, tuple_[0]], [tuple_[0], tuple_], [wide_, wide_[0]], list_ + [list_], [list_, list_[0]]])
    pool.extend(values)
    return values[0]
