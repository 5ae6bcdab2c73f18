"""Wagtail, as `wagtail start` has it, with one kind of page."""

from common import *

DATABASES = {"default": sqlite("wagtails")}
ROOT_URLCONF = "wagtails_urls"
INSTALLED_APPS = [
    "news",
    "wagtail.contrib.redirects",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "django_filters",
    *INSTALLED_APPS,
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE += [
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "wagtail.contrib.redirects.middleware.RedirectMiddleware",
]
STATIC_URL = "/static/"
LOGIN_URL = "wagtailadmin_login"
WAGTAIL_SITE_NAME = "The news"
WAGTAILADMIN_BASE_URL = os.environ["SITE_ORIGIN"]
