"""Runs Django's session framework for the Go test beside it.

Reads one JSON object a line, {"op": NAME, ...}, and answers each with one
line, {"result": ...} or {"error": EXCEPTION, "message": ...}. The first
argument is a JSON object of settings.
"""

import datetime
import importlib
import json
import logging
import os
import pickle
import random
import sys
import time

import django
from django.conf import settings
from django.test.utils import override_settings

settings.configure(**{
    "SECRET_KEY": "not the key of any test",
    "USE_TZ": True,
    "INSTALLED_APPS": ["django.contrib.sessions"],
    "LOGGING_CONFIG": None,
    **json.loads(sys.argv[1]),
})
os.environ["TZ"] = settings.TIME_ZONE  # as Django does for a settings module
time.tzset()
django.setup()
logging.disable(logging.CRITICAL)  # tampered sessions are the tests' business

from django.contrib.sessions.backends import signed_cookies  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core import signing  # noqa: E402
from django.core.cache import caches  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

import drawn  # noqa: E402
import values  # noqa: E402

SessionStore = importlib.import_module(settings.SESSION_ENGINE).SessionStore
ENGINE = settings.SESSION_ENGINE.rpartition(".")[2]
AGE = settings.SESSION_COOKIE_AGE
EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)


SCHEMA = {
    "sqlite": (
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'django_session'"
        " AND sql IS NOT NULL ORDER BY name"
    ),
    "postgresql": (
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'django_session'"
        " UNION SELECT concat_ws(' ', column_name, data_type,"
        " character_maximum_length, is_nullable, column_default)"
        " FROM information_schema.columns WHERE table_name = 'django_session'"
        " ORDER BY 1"
    ),
}


def dump(value):
    return json.dumps(value, separators=(",", ":"))


def version():
    return django.get_version()


def migrate():
    call_command("migrate", verbosity=0)


def schema():
    """Lists what makes up the table, in the words of the database."""
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA[connection.vendor])
        return [row[0] for row in cursor.fetchall()]


def encode(text):
    return SessionStore().encode(json.loads(text))


def decode(text):
    return dump(SessionStore().decode(text))


def sign(payload):
    """Signs any payload as session data is signed."""
    return signing.TimestampSigner(salt=SessionStore().key_salt).sign(payload)


def canonical(text):
    return dump(json.loads(text))


def create(text, expiry=None):
    store = SessionStore()
    store.update(json.loads(text))
    set_expiry(store, expiry)
    store.save()
    return told(store.session_key, dict(store.items()))


def told(key, data):
    return {"key": key, "text": dump(data), "expires": aware(ends(key)).isoformat()}


def aware(at):
    return at if at.tzinfo else at.astimezone()


def set_date(seconds, key=None):
    """Makes a session end at a date, in a view's words: now and so much."""
    from django.utils import timezone

    store = SessionStore(session_key=key)
    store["_auth_user_id"] = "7"
    store.set_expiry(timezone.now() + datetime.timedelta(seconds=seconds))
    store.save()
    return store.session_key


def age(key):
    """Says what SessionMiddleware makes of a session; null where there is none."""
    store = SessionStore(session_key=key)
    if not dict(store.items()):
        return None
    return {"age": store.get_expiry_age(), "ends": aware(ends(key)).isoformat(), "text": dump(dict(store.items()))}


def ends(key):
    """Says when what is stored under key ends."""
    if ENGINE == "cache":
        return ends_in_redis(caches["default"], SessionStore.cache_key_prefix + key)
    if ENGINE == "file":
        return ends_in_file(SessionStore(session_key=key))
    return Session.objects.get(session_key=key).expire_date


def ends_in_file(store):
    """Reads the time as a whole number: Django goes by way of a float."""
    expiry = store.get("_session_expiry")
    if isinstance(expiry, str):
        return datetime.datetime.fromisoformat(expiry)
    written = os.stat(store._key_to_file()).st_mtime_ns // 1000
    return EPOCH + datetime.timedelta(microseconds=written, seconds=expiry or AGE)


def ends_in_redis(cache, key):
    """Adds the clock and the time left, read within one millisecond."""
    client = cache._cache.get_client()
    while True:
        pipe = client.pipeline()
        pipe.time().pttl(cache.make_and_validate_key(key)).time()
        before, left, after = pipe.execute()
        before, after = [s * 1000 + us // 1000 for s, us in (before, after)]
        if before == after:
            return EPOCH + datetime.timedelta(milliseconds=before + left)


def set_expiry(store, expiry):
    if expiry is None:
        return
    kind, value = expiry
    if kind == "datetime":
        value = datetime.datetime.fromisoformat(value)
    elif kind == "timedelta":
        value = datetime.timedelta(seconds=value)
    store.set_expiry(value)


def put(text, expires):
    """Stores a row that ends at a given time, whatever the data says."""
    store = SessionStore()
    if ENGINE == "file":
        store.update(json.loads(text))
        store.save()
        at = datetime.datetime.fromisoformat(expires).timestamp() - AGE
        os.utime(store._key_to_file(), (at, at))
        return store.session_key
    key = store._get_new_session_key()
    Session(
        session_key=key,
        session_data=store.encode(json.loads(text)),
        expire_date=datetime.datetime.fromisoformat(expires),
    ).save(force_insert=True)
    return key


def raw(key, text):
    Session.objects.filter(session_key=key).update(session_data=text)


def read(key):
    """Gives what a view would see, and null where there is no session."""
    store = SessionStore(session_key=key)
    data = dict(store.items())
    if store.session_key != key:  # the file engine begins a new one
        return None
    return told(key, data)


def value_names():
    """Names the values of Python's, by how they are read and written."""
    return {"shown": list(values.SHOWN), "withheld": list(values.WITHHELD), "unwritable": list(values.UNWRITABLE)}


def create_value(name, protocol):
    """Stores a session with a value twice, in a protocol."""
    value = values.VALUES[name]
    if protocol < 2 and name.startswith("SafeString"):
        return None  # of which pickle makes no end
    return put_pickle({"_auth_user_id": "7", "value": value, "again": [value], "n": 1}, protocol)


def create_python(seed):
    """Stores a session of values that are drawn."""
    r = random.Random(seed)
    pool = []
    return put_pickle({str(i): drawn.draw(r, 3, pool) for i in range(r.randrange(1, 10))}, pickle.HIGHEST_PROTOCOL)


def put_pickle(data, protocol):
    """Stores a pickle, and says how JSON shows what is in it."""
    store = SessionStore()
    store.save(must_create=True)
    try:
        text = pickle.dumps(data, protocol)
    except Exception as error:
        return {"key": "", "text": repr(error)}
    cache = caches["default"]
    name = cache.make_and_validate_key(SessionStore.cache_key_prefix + store.session_key)
    cache._cache.get_client(write=True).set(name, text, keepttl=True)
    return {"key": store.session_key, "text": values.shown(pickle.loads(text)), "expires": ends(store.session_key).isoformat()}


def read_python(key, without):
    """Describes a session but for some keys: by its keys, and as a whole."""
    data = {k: v for k, v in SessionStore(session_key=key).items() if k not in without}
    whole = {k: v for k, v in data.items() if k != "ours"}
    return {k: values.describe(v) for k, v in data.items()} | {"": values.describe(whole)}


def save(key, name, value):
    store = SessionStore(session_key=key)
    store[name] = value
    store.save()


def count(key, name, rounds):
    for _ in range(rounds):
        store = SessionStore(session_key=key)
        store[name] = store.get(name, 0) + 1
        store.save()


def cycle(key):
    store = SessionStore(session_key=key)
    store.cycle_key()
    store.save()
    return store.session_key


def flush(key):
    SessionStore(session_key=key).flush()


def clear(keys):
    """Clears, and counts which of the sessions are left."""
    SessionStore.clear_expired()
    return sum(SessionStore().exists(key) for key in keys)


def cookie_write(text):
    store = signed_cookies.SessionStore()
    store.update(json.loads(text))
    store.save()
    return store.session_key


def cookie_read(value, age):
    with override_settings(SESSION_COOKIE_AGE=age):
        return dump(dict(signed_cookies.SessionStore(session_key=value).items()))


def expiry(text, now):
    """Says when a session that is written at now ends."""
    store = SessionStore()
    store._session_cache = json.loads(text)
    now = datetime.datetime.fromisoformat(now)
    return {
        "expires": store.get_expiry_date(modification=now).isoformat(),
        "browser_close": store.get_expire_at_browser_close(),
        "age": AGE,
    }


def people_made(seed, count):
    import people  # whose models need django.contrib.auth

    return people.make(seed, count)


def people_many(groups, statements):
    import people

    return people.many(groups, statements)


OPS = {
    f.__name__: f
    for f in (
        version, migrate, schema, encode, decode, sign, canonical, create, put,
        raw, read, value_names, create_value, create_python, read_python, set_date, age, save, count, cycle, flush, clear, expiry,
        cookie_write, cookie_read, people_made, people_many,
    )
}


def answer(request):
    secret = request.pop("secret", None)
    fallbacks = request.pop("fallbacks", None) or []
    operation = OPS[request.pop("op")]
    try:
        with override_settings(SECRET_KEY=secret, SECRET_KEY_FALLBACKS=fallbacks):
            return {"result": operation(**request)}
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
