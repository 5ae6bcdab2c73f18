def location(name):
    """Returns a setting that may be a path, a URL or the name of one, as Django redirects to it."""
    from django.conf import settings
    from django.shortcuts import resolve_url
    from django.utils.encoding import iri_to_uri

    value = getattr(settings, name)
    if not value:
        return {"setting": "", "url": "", "languages": []}
    urlconf()
    with reading(name):
        url = iri_to_uri(resolve_url(value))
        by_language = [iri_to_uri(resolve_url(value)) for _ in each_language()]
    setting = path_of(value) if callable(value) else text(value, name)
    answers, prefixed = answered(url) if url.startswith("/") else (True, [])
    return {
        "setting": setting,
        "url": url,
        "languages": unique(by_language),
        "answered": answers,
        "prefixed": prefixed,
    }


def urlconf():
    """Imports the project's views."""
    from django.conf import settings
    from django.urls import get_resolver

    with reading("ROOT_URLCONF"):
        return get_resolver(settings.ROOT_URLCONF).url_patterns


def each_language():
    """Activates each of LANGUAGES in turn; none where paths do not depend on the language."""
    from django.conf import settings
    from django.utils import translation

    for code in [code for code, _ in settings.LANGUAGES] if settings.USE_I18N and translated(urlconf()) else []:
        with translation.override(code):
            yield code


def translated(patterns):
    """Reports whether i18n_patterns, or a pattern that is translated itself, is among patterns."""
    from django.urls.resolvers import LocalePrefixPattern
    from django.utils.functional import Promise

    for item in patterns:
        own = getattr(item.pattern, "_route", None) or getattr(item.pattern, "_regex", None)
        if isinstance(item.pattern, LocalePrefixPattern) or isinstance(own, Promise):
            return True
        if translated(getattr(item, "url_patterns", ())):
            return True
    return False


def unique(values):
    return list(dict.fromkeys(values))


def answered(url):
    """Reports whether a view answers a path; if not, returns the paths with a language before it that one answers."""
    from urllib.parse import unquote

    from django.urls import Resolver404, get_script_prefix, resolve

    prefix = get_script_prefix()
    path = unquote(url.partition("?")[0].partition("#")[0])
    path = "/" + path[len(prefix) :] if path.startswith(prefix) else path

    def resolves(path):
        try:
            resolve(path)
        except Resolver404:
            return False
        return True

    if resolves(path):
        return True, []
    prefixed = [f"/{code}{path}" for code in each_language() if resolves(f"/{code}{path}")]
    return False, [prefix.rstrip("/") + path for path in unique(prefixed)]


# Views of Django's that people without a session use, and the names of their routes.
PUBLIC = {
    "django.contrib.auth.views.PasswordResetView": "password-reset",
    "django.contrib.auth.views.PasswordResetDoneView": "password-reset-done",
    "django.contrib.auth.views.PasswordResetConfirmView": "password-reset-confirm",
    "django.contrib.auth.views.PasswordResetCompleteView": "password-reset-complete",
    "django.views.i18n.set_language": "set-language",
    "django.views.i18n.JavaScriptCatalog": "javascript-catalog",
    "django.contrib.auth.views.LoginView": "login",
    "django.contrib.admin.sites.AdminSite.login": "login",
}

# Arguments that Django's own patterns match. PART replaces them: no path has it, since < is escaped.
PART = "<part>"
ARGUMENTS = {"uidb64": "MQ0x0x", "token": "0x0x0x-0x0x0x0x0x0x0x0x0x0x"}


def public_pages():
    """Returns the paths of the views in PUBLIC, and of allauth's, with PART for each that is not known."""
    from django.urls import NoReverseMatch, reverse
    from django.utils.encoding import iri_to_uri

    pages = []
    allauth = []
    for name, view, callback in named_views(urlconf()):
        if view.__module__.startswith("allauth.") and getattr(callback, "login_required", True) is False:
            allauth += templates(name)
            for _ in each_language():
                allauth += templates(name)
        known = [path_of(base) for base in getattr(view, "__mro__", [view]) if path_of(base) in PUBLIC]
        if not known:
            continue
        kind = PUBLIC[known[0]]
        arguments = ARGUMENTS if kind == "password-reset-confirm" else {}
        try:
            paths = [iri_to_uri(reverse(name, kwargs=arguments))]
            paths += [iri_to_uri(reverse(name, kwargs=arguments)) for _ in each_language()]
        except NoReverseMatch:
            continue
        for argument in arguments.values():
            paths = [path.replace(argument, PART) for path in paths]
        pages.append({"kind": kind, "name": name, "paths": unique(paths)})
    if allauth:
        pages.append({"kind": "allauth", "name": "allauth", "paths": unique(allauth)})
    return pages


def undeclared():
    """Reports whether there are views of allauth's, and a Django that has no login_not_required."""
    import django

    return django.VERSION < (5, 1) and any(view.__module__.startswith("allauth.") for _, view, _ in named_views(urlconf()))


def templates(name):
    """Yields the paths of a pattern, in the language that is active, with PART for each argument."""
    from django.urls import get_resolver, get_script_prefix
    from django.utils.encoding import iri_to_uri

    *namespaces, name = name.split(":")
    resolver, before = get_resolver(), get_script_prefix()
    for namespace in namespaces:
        if namespace not in resolver.namespace_dict:
            return
        prefix, resolver = resolver.namespace_dict[namespace]
        before += prefix
    for possibilities, *_ in resolver.reverse_dict.getlist(name):
        for template, parameters in possibilities:
            try:
                yield iri_to_uri(before + template) % dict.fromkeys(parameters, PART)
            except (KeyError, ValueError):
                pass  # of a namespace with arguments


def named_views(patterns, namespace=""):
    """Yields the name, the class or function, and the callback of each view that has a name."""
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from named_views(pattern.url_patterns, namespace + inner)
            continue
        view = getattr(pattern.callback, "view_class", pattern.callback)
        if pattern.name and hasattr(view, "__qualname__"):
            yield namespace + pattern.name, view, pattern.callback
