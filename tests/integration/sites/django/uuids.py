"""Accounts with UUIDs, in a table and in columns of other names."""

from common import *

DATABASES = {"default": sqlite("uuids")}
AUTH_USER_MODEL = "people.Person"
