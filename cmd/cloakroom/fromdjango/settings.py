"""Prints what Cloakroom has to know of a Django project's settings, as JSON.

Arguments: the settings module, the project's folder.
"""

import json
import os
import sys
import tempfile

module, project = sys.argv[1:]
sys.path.insert(0, project)
os.environ["DJANGO_SETTINGS_MODULE"] = module
answer, sys.stdout = sys.stdout, sys.stderr  # what the project prints is not ours


def database(alias):
    from django.conf import settings

    d = dict(settings.DATABASES.get(alias, {}))
    name = str(d.get("NAME", ""))
    if d.get("ENGINE", "").endswith(".sqlite3"):
        name = os.path.abspath(os.path.join(project, name))
    keys = ("ENGINE", "HOST", "PORT", "USER", "PASSWORD")
    return {k.lower(): str(d.get(k) or "") for k in keys} | {"name": name}


def cache(alias):
    from django.conf import settings

    c = settings.CACHES.get(alias, {})
    location = c.get("LOCATION", "")
    locations = location.split(",") if isinstance(location, str) else list(location)
    return {
        "backend": c.get("BACKEND", ""),
        "locations": [text.strip() for text in locations],
        "key_prefix": c.get("KEY_PREFIX", ""),
        "version": c.get("VERSION", 1),
        "key_function": bool(c.get("KEY_FUNCTION")),
        "username": c.get("OPTIONS", {}).get("username") or "",
        "password": c.get("OPTIONS", {}).get("password") or "",
    }


def url(name, default):
    """Resolves what may be a path, an URL or the name of one."""
    from django.conf import settings
    from django.shortcuts import resolve_url

    value = getattr(settings, name)
    return resolve_url(value) if value else default


def users():
    from django.contrib.auth import get_user_model
    from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured

    try:
        meta = get_user_model()._meta
        columns = [meta.pk.column, meta.get_field("password").column, meta.get_field("is_active").column]
    except (FieldDoesNotExist, ImproperlyConfigured, RuntimeError):
        return None
    from django.db import router

    return {"table": meta.db_table, "columns": columns, "database": database(router.db_for_read(get_user_model()))}


def read():
    import django
    from django.conf import settings as s
    from django.db import router

    django.setup()
    try:
        from django.contrib.sessions.models import Session

        alias = router.db_for_read(Session)
    except RuntimeError:  # not in INSTALLED_APPS, as with engines that need no table
        alias = "default"
    return {
        "engine": s.SESSION_ENGINE,
        "serializer": s.SESSION_SERIALIZER,
        "cookie": {
            "name": s.SESSION_COOKIE_NAME,
            "domain": s.SESSION_COOKIE_DOMAIN or "",
            "path": s.SESSION_COOKIE_PATH,
            "secure": bool(s.SESSION_COOKIE_SECURE),
            "http_only": bool(s.SESSION_COOKIE_HTTPONLY),
            "same_site": s.SESSION_COOKIE_SAMESITE or "",
        },
        "age": s.SESSION_COOKIE_AGE,
        "at_browser_close": bool(s.SESSION_EXPIRE_AT_BROWSER_CLOSE),
        "save_every_request": bool(s.SESSION_SAVE_EVERY_REQUEST),
        "file_path": s.SESSION_FILE_PATH or tempfile.gettempdir(),
        "use_tz": bool(s.USE_TZ),
        "secret_key": s.SECRET_KEY,
        "fallbacks": list(s.SECRET_KEY_FALLBACKS),
        "login_url": url("LOGIN_URL", "/accounts/login/"),
        "logout_redirect": url("LOGOUT_REDIRECT_URL", "/"),
        "database": database(alias),
        "auth_backends": list(s.AUTHENTICATION_BACKENDS),
        "cache": cache(s.SESSION_CACHE_ALIAS),
        "users": users(),
    }


json.dump(read(), answer)
