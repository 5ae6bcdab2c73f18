def database(model):
    """Returns the database that a model's rows are written to."""
    from django.db import connections, router
    from django.db.utils import load_backend

    with reading(f"DATABASE_ROUTERS, asked for {model._meta.label}"):
        read, write = router.db_for_read(model), router.db_for_write(model)
    for alias in (read, write):
        if alias not in connections.settings:
            raise Problem("DATABASE_ROUTERS", f"{alias!r} is not in DATABASES")
    settings = connections.settings[write]
    what = f"DATABASES[{write!r}]"
    with reading(f"{what} ENGINE"):
        wrapper = load_backend(settings["ENGINE"]).DatabaseWrapper
    return {
        "what": what,
        "alias": write,
        "read_alias": read,
        "engine": settings["ENGINE"],
        "vendor": wrapper.vendor,
        # Such as passwords that are made anew for each connection.
        "own_parameters": own_method(wrapper, "get_connection_params"),
        "no_name": settings["NAME"] is None,
        "tenants": tenants(wrapper, model),
        "pooler": bool(settings.get("DISABLE_SERVER_SIDE_CURSORS")),
        "options": options(settings["OPTIONS"], f"{what} OPTIONS"),
    } | {key.lower(): text(settings[key], f"{what} {key}") for key in ("NAME", "HOST", "PORT", "USER", "PASSWORD", "TIME_ZONE")}


def own_method(kind, name):
    """Returns the dotted path of a class's method where that is not Django's own, or ""."""
    method = getattr(kind, name, None)
    # django-prometheus counts, and changes nothing else.
    return "" if method is None or method.__module__.startswith(("django.", "django_prometheus.")) else path_of(method)


def tenants(wrapper, model):
    """Returns where django-tenants keeps a model's table: "*" for a schema of each tenant, or the shared schema's name."""
    from django.apps import AppConfig
    from django.conf import settings

    if not hasattr(wrapper, "set_tenant"):
        return ""
    apps = list(getattr(settings, "TENANT_APPS", ()))
    for kind in getattr(settings, "TENANT_TYPES", {}).values():
        apps += kind.get("APPS", ())
    if model._meta.app_config.name in [AppConfig.create(entry).name for entry in apps]:
        return "*"
    return getattr(settings, "PUBLIC_SCHEMA_NAME", "public")


def libpq_environment():
    """Returns the variables that libpq reads; settings may have set them."""
    return {name: value for name, value in os.environ.items() if name.startswith("PG")}
