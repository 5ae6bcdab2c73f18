def settings_module():
    """Returns DJANGO_SETTINGS_MODULE as manage.py sets it."""
    import ast

    what = "DJANGO_SETTINGS_MODULE"
    file = os.path.join(project, "manage.py")
    try:
        with open(file, encoding="utf-8") as manage:
            tree = ast.parse(manage.read())
    except FileNotFoundError:
        if what in os.environ:
            return os.environ[what]
        raise Problem(what, f"it is not set, and there is no {file}") from None

    def named(node):
        return isinstance(node, ast.Constant) and node.value == what

    assigned, defaults = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Subscript) and named(t.slice) for t in node.targets):
            assigned.append(node.value)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setdefault":
            if len(node.args) == 2 and named(node.args[0]):
                defaults.append(node.args[1])
    if not assigned and what in os.environ:
        return os.environ[what]
    found = {getattr(node, "value", None) for node in assigned or defaults}
    if len(found) != 1 or not isinstance(value := found.pop(), str):
        raise Problem(what, f"{file} does not set it to one text")
    return value


def session_model():
    """Returns Django's model of sessions, or None where it is not installed."""
    from django.apps import apps

    if not apps.is_installed("django.contrib.sessions"):
        return None
    from django.contrib.sessions.models import Session

    return Session


def seconds(value):
    """Returns a number of seconds, or None for what is none. It is bounded, so that JSON can hold it."""
    if not isinstance(value, (int, float)) or value != value or value in (float("inf"), float("-inf")) or value != int(value):
        return None
    return max(-1, min(int(value), 10**18))


def read():
    import tempfile

    module = asked
    with reading("DJANGO_SETTINGS_MODULE"):
        module = module or settings_module()
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    with reading(""):
        import django
        from django.conf import settings as s

        s.INSTALLED_APPS  # imports the module
    with reading("INSTALLED_APPS"):
        django.setup()
    engine = text(s.SESSION_ENGINE, "SESSION_ENGINE")
    model = session_model()
    with reading("SECRET_KEY"):
        key, fallbacks = s.SECRET_KEY, s.SECRET_KEY_FALLBACKS
    facts = {
        "settings_module": module,
        "engine": engine,
        "serializer": text(s.SESSION_SERIALIZER, "SESSION_SERIALIZER"),
        "installed": model is not None,
        "cookie": {
            "name": text(s.SESSION_COOKIE_NAME, "SESSION_COOKIE_NAME"),
            "domain": text(s.SESSION_COOKIE_DOMAIN, "SESSION_COOKIE_DOMAIN"),
            "path": text(s.SESSION_COOKIE_PATH, "SESSION_COOKIE_PATH"),
            "secure": bool(s.SESSION_COOKIE_SECURE),
            "http_only": bool(s.SESSION_COOKIE_HTTPONLY),
            "same_site": text(s.SESSION_COOKIE_SAMESITE or "", "SESSION_COOKIE_SAMESITE").capitalize(),
        },
        "age": {"seconds": seconds(s.SESSION_COOKIE_AGE), "text": repr(s.SESSION_COOKIE_AGE)},
        "at_browser_close": bool(s.SESSION_EXPIRE_AT_BROWSER_CLOSE),
        "save_every_request": bool(s.SESSION_SAVE_EVERY_REQUEST),
        "file_path": text(s.SESSION_FILE_PATH or tempfile.gettempdir(), "SESSION_FILE_PATH"),
        "use_tz": bool(s.USE_TZ),
        "time_zone": text(s.TIME_ZONE or "", "TIME_ZONE"),
        "secret_key": text(key, "SECRET_KEY"),
        "fallbacks": [text(key, "SECRET_KEY_FALLBACKS") for key in fallbacks],
        "login": location("LOGIN_URL"),
        "logout_redirect": location("LOGOUT_REDIRECT_URL"),
        "trusted_origins": [text(origin, "CSRF_TRUSTED_ORIGINS") for origin in s.CSRF_TRUSTED_ORIGINS],
        "public": public_pages(),
        "undeclared": undeclared(),
        "static_url": text(s.STATIC_URL, "STATIC_URL"),
        "media_url": text(s.MEDIA_URL, "MEDIA_URL"),
        "auth_backends": auth_backends(),
        "libpq": libpq_environment(),
    }
    if not engine.endswith(".signed_cookies"):
        facts["users"] = users()
    if model is not None and engine.endswith((".db", ".cached_db")):
        facts["database"] = database(model)
    if engine.endswith((".cache", ".cached_db")):
        facts["cache"] = cache(s.SESSION_CACHE_ALIAS)
    return facts


def main():
    # Standard output is for the result only, whatever the project or its subprocesses print.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, project)
    try:
        facts = read()
    except Problem as problem:
        facts = {"problem": problem.facts}
    json.dump(facts, answer)
    answer.close()
    sys.stderr.flush()
    os._exit(0)  # some projects start threads that do not end


main()
