def users():
    """Returns where the accounts are, or None where there is no user model."""
    from django.contrib.auth import get_user_model
    from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured

    try:
        model = get_user_model()
    except (ImproperlyConfigured, RuntimeError):
        return None
    meta = model._meta

    fields = {}
    for name in ("password", "is_active"):
        try:
            fields[name] = meta.get_field(name)
        except FieldDoesNotExist:
            pass
    active, always = fields.get("is_active"), getattr(model, "is_active", True)
    return {
        "model": meta.label,
        "table": meta.db_table,
        "columns": [meta.pk.column] + [fields[name].column if name in fields else "" for name in ("password", "is_active")],
        "inherited": [name for name, field in fields.items() if field.model._meta.db_table != meta.db_table],
        # Of AbstractBaseUser it is True, for every user.
        "active": active.get_internal_type() if active else str(always) if isinstance(always, bool) else type(always).__name__,
        "groups": relation(meta, "groups", "auth_group"),
        "permissions": relation(meta, "user_permissions", "auth_permission"),
        "key": meta.pk.get_internal_type(),
        "database": database(model),
        "own_hash": own_hash(model),
        "own_manager": own_method(type(model._default_manager), "get_queryset"),
        "backends": [backend(path, model) for path in auth_backends()],
    }


def relation(meta, name, table):
    """Returns the table of a many-to-many field and its columns, or [] where the field does not lead to Django's own table."""
    from django.core.exceptions import FieldDoesNotExist

    try:
        field = meta.get_field(name)
    except FieldDoesNotExist:
        return []
    through = getattr(field.remote_field, "through", None) if field.many_to_many and not field.auto_created else None
    if through is None or field.remote_field.model._meta.db_table != table:
        return []
    return [through._meta.db_table, field.m2m_column_name(), field.m2m_reverse_name()]


def own_permissions(loaded):
    """Returns the method of a backend by which it has permissions of its own, or ""."""
    for name in ("get_all_permissions", "get_user_permissions", "get_group_permissions", "_get_user_permissions", "_get_group_permissions"):
        if path := own_method(type(loaded), name):
            return path
    return ""


def own_hash(model):
    """Returns the dotted path of the method that makes session hashes, where it is not Django's own."""
    for name in ("get_session_auth_hash", "_get_session_auth_hash", "get_session_auth_fallback_hash"):
        if path := own_method(model, name):
            return path
    return ""


def auth_backends():
    from django.conf import settings

    return [text(path, "AUTHENTICATION_BACKENDS") for path in settings.AUTHENTICATION_BACKENDS]


def backend(path, model):
    """Returns how a backend decides about the user of a session."""
    from django.contrib.auth import load_backend

    with reading(f"AUTHENTICATION_BACKENDS, {path}"):
        loaded = load_backend(path)
    inactive, undecided = False, ""
    if hasattr(loaded, "user_can_authenticate"):
        try:
            user = model()
            user.is_active = False
            inactive = bool(loaded.user_can_authenticate(user))
        except Exception as error:  # it may need more of a user than that
            undecided = described(error)
    return {
        "path": path,
        "inactive": inactive,
        "undecided": undecided,
        "own_get_user": own_method(type(loaded), "get_user"),
        "own_permissions": own_permissions(loaded),
    }
