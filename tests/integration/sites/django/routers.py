"""Sessions in one database, accounts in another, neither of them the default."""

from common import *

DATABASES = {"default": {}, "people": postgres(), "visits": sqlite("visits")}
DATABASE_ROUTERS = ["routers.Router"]


class Router:
    def db_for_read(self, model, **hints):
        return self.alias(model._meta.app_label)

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return db == self.alias(app_label)

    def alias(self, app):
        return "visits" if app == "sessions" else "people"
