# The backends whose values Cloakroom reads: the library that connects, what separates locations,
# and the options that are not the connection's.
BACKENDS = {
    "django.core.cache.backends.redis.RedisCache": ("redis", ",;", {"serializer", "pool_class", "parser_class"}),
    "django_redis.cache.RedisCache": ("redis", ",", None),
    "django_valkey.cache.ValkeyCache": ("valkey", ",", None),
}


def cache(alias):
    """Returns the cache of an alias."""
    from django.conf import settings
    from django.core.cache.backends.base import get_key_func
    from django.utils.module_loading import import_string

    if alias not in settings.CACHES:
        raise Problem("SESSION_CACHE_ALIAS", f"{alias!r} is not in CACHES")
    what = f"CACHES[{alias!r}]"
    configured = settings.CACHES[alias]
    with reading(f"{what} BACKEND"):
        backend = import_string(configured["BACKEND"])
    with reading(f"{what} KEY_FUNCTION"):
        key_function = path_of(get_key_func(configured.get("KEY_FUNCTION")))
    result = {
        "what": what,
        "backend": path_of(backend),
        "bases": [path_of(base) for base in backend.__mro__],
        "key_prefix": text(configured.get("KEY_PREFIX", ""), f"{what} KEY_PREFIX"),
        "version": text(configured.get("VERSION", 1), f"{what} VERSION"),
        "key_function": key_function,
        "options": {},
        "connection": {},
    }
    known = next((BACKENDS[base] for base in result["bases"] if base in BACKENDS), None)
    if known is None:
        return result
    library, separators, own = known
    servers = locations(configured.get("LOCATION", ""), separators)
    own_options, connection = split(dict(configured.get("OPTIONS") or {}), own, library, what)
    result["locations"] = len(servers)
    result["scheme"] = servers[0].partition("://")[0] if servers else ""
    result["options"] = options(own_options, f"{what} OPTIONS")
    result["connection"] = options(connection | parsed(library, servers, what), f"{what} OPTIONS")
    result["factory"] = own_factory(library)
    return result


def locations(location, separators):
    """Returns the URLs of LOCATION, of which the first is written to."""
    from django.utils.functional import Promise

    if isinstance(location, (str, Promise)):
        for separator in separators:
            location = str(location).replace(separator, "\n")
        location = location.split("\n")
    return [str(url).strip() for url in location if str(url).strip()]


def split(values, own, library, what):
    """Returns the options that are the backend's, and those that are the connection's."""
    if own is not None:
        return {k: v for k, v in values.items() if k in own}, {k: v for k, v in values.items() if k not in own}
    connection = {}
    names = ["PASSWORD", "SOCKET_TIMEOUT", "SOCKET_CONNECT_TIMEOUT"] + (["USERNAME"] if library == "redis" else [])
    for option in names:
        if value := values.pop(option, None):
            connection[option.lower()] = value
    with reading(f"{what} OPTIONS CONNECTION_POOL_KWARGS"):
        return values, connection | dict(values.pop("CONNECTION_POOL_KWARGS", {}))


def parsed(library, servers, what):
    """Returns the parameters in the first URL, as the client's own library parses it."""
    import importlib

    if not servers:
        raise Problem(f"{what} LOCATION", "it is empty")
    with reading(f"{what} BACKEND"):
        parse_url = importlib.import_module(f"{library}.connection").parse_url
    try:
        parameters = parse_url(servers[0])
    except ValueError:  # its text may have parts of the password
        raise Problem(f"{what} LOCATION", f"{library} cannot parse the URL; escape /, ?, # and @ in a password") from None
    parameters.pop("connection_class", None)  # that of the scheme
    return parameters


def own_factory(library):
    """Returns the connection factory of all caches, where that is set."""
    from django.conf import settings

    return text(getattr(settings, f"DJANGO_{library.upper()}_CONNECTION_FACTORY", ""), "CONNECTION_FACTORY")
