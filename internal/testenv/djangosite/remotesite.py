"""A Django site of one file that takes its users from Remote-User, behind wsgiref.

Arguments: a port, and an SQLite file. wsgiref makes HTTP_REMOTE_USER of remote_user too, as uWSGI,
mod_wsgi and CGI do, where gunicorn drops such headers.
"""

import sys
from urllib.parse import unquote
from wsgiref.simple_server import make_server

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="the remote site's own",
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2]}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "__main__.RemoteUser",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    SESSION_COOKIE_NAME="remote_sessionid",
    AUTHENTICATION_BACKENDS=["__main__.Backend"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.contrib.auth.backends import RemoteUserBackend  # noqa: E402
from django.contrib.auth.middleware import RemoteUserMiddleware  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import re_path  # noqa: E402


class RemoteUser(RemoteUserMiddleware):
    header = "HTTP_REMOTE_USER"


class Backend(RemoteUserBackend):
    def clean_username(self, username):
        return unquote(username)


def whoami(request):
    keys = {name: value for name, value in request.META.items() if "REMOTE_" in name and name.startswith("HTTP_")}
    return JsonResponse({"user": request.user.get_username(), "meta": keys})


urlpatterns = [re_path("", whoami)]
call_command("migrate", verbosity=0)
make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application()).serve_forever()
