"""django-tenants, with accounts and sessions of each tenant."""

from tenants_site import *

TENANT_APPS += ["django.contrib.auth", "django.contrib.sessions"]
