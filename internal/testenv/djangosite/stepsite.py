"""A Django site of one file: each view is one step of the session framework.

CLOAKROOM_SETTINGS is a JSON object of settings. The users demo and other have the ids 1 and 2,
user3 to user29 those.
"""

import datetime
import json
import os

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    **json.loads(os.environ["CLOAKROOM_SETTINGS"]),
)
django.setup()

from django.contrib import auth  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connections  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

call_command("migrate", verbosity=0)
if not User.objects.exists():
    User.objects.create_user("demo", password="cloakroom")
    User.objects.create_user("other", password="cloakroom")
    User.objects.bulk_create(User(username=f"user{n}", password="!") for n in range(3, 30))
connections.close_all()  # workers open their own


def home(request):
    return HttpResponse("ok")


def store(request):
    request.session["username"] = "example_user"
    return HttpResponse("stored")


def read(request):
    name = request.session.get("username", "default_value")
    return JsonResponse({"user": request.user.get_username(), "username": name})


def peek(request):
    """The least that a view can do with a session."""
    return HttpResponse(request.session["username"])


def authz(request, rest=""):
    """What Envoy's ext_authz asks: who is this?"""
    session = request.session
    if "_auth_user_id" not in session:
        return HttpResponse(status=401)
    data = {name: value for name, value in session.items() if not name.startswith("_")}
    return HttpResponse(headers={"X-User-Id": session["_auth_user_id"], "X-Session": json.dumps(data)})


def clear(request):
    request.session.pop("username", None)
    return HttpResponse("cleared")


def expiry(request):
    value = request.GET["value"]
    if value == "":
        request.session.set_expiry(None)
    elif value.isdigit():
        request.session.set_expiry(int(value))
    else:
        request.session.set_expiry(datetime.datetime.fromisoformat(value))
    return HttpResponse("set")


def user(request):
    return User.objects.get(pk=request.GET.get("user", "1"))


def login(request):
    auth.login(request, user(request), "django.contrib.auth.backends.ModelBackend")
    return HttpResponse("logged in")


def logout(request):
    auth.logout(request)
    return HttpResponse("logged out")


def password(request):
    """Changes the password: the user's other sessions end."""
    of = user(request)
    of.set_password(request.GET["value"])
    of.save()
    return HttpResponse("changed")


def active(request):
    User.objects.filter(pk=user(request).pk).update(is_active=request.GET["value"] == "yes")
    return HttpResponse("changed")


def meta(request):
    """Everything that this server could take for the header X-User-Id."""
    keys = {name: value for name, value in request.META.items() if name.startswith("HTTP_X_USER")}
    return JsonResponse({"meta": keys, "header": request.headers.get("X-User-Id", "")})


VIEWS = (home, meta, store, read, peek, clear, expiry, login, logout, password, active)
urlpatterns = [
    path(f"{prefix}{f.__name__}", f)
    for f in VIEWS
    for prefix in ("django/", "django/private/")
] + [path("django/authz/<path:rest>", authz)]
application = get_wsgi_application()
