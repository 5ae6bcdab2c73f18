"""What the settings of all sites have. Nothing in them refers to Envoy or Cloakroom.

From the environment: SITE_DIR, the folder of the databases, and SITE_POSTGRES, a JSON object of
HOST, PORT, USER and PASSWORD.
"""

import json
import os
from pathlib import Path

DIR = Path(os.environ["SITE_DIR"])
SECRET_KEY = "the sites' SECRET_KEY, with 'quotes' and $signs"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "pages"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "people"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the others take their time
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"


def sqlite(name):
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": DIR / f"{name}.sqlite3", "OPTIONS": {"transaction_mode": "IMMEDIATE"}}


def postgres(**more):
    return {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", **json.loads(os.environ["SITE_POSTGRES"]), **more}
