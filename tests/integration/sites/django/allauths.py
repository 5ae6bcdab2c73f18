"""django-allauth, with a second factor, and lists of the sessions of each account."""

from common import *

DATABASES = {"default": sqlite("allauths")}
ROOT_URLCONF = "allauths_urls"
INSTALLED_APPS += [
    "django.contrib.messages",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
]
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware", "allauth.usersessions.middleware.UserSessionsMiddleware"]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
ACCOUNT_EMAIL_VERIFICATION = "none"
MFA_TOTP_TOLERANCE = 3  # codes of other periods, so that a test need not wait for the next one
