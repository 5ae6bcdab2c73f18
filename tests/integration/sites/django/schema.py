"""One tenant of several in a database: all tables are in its schema."""

from common import *

DATABASES = {"default": postgres(OPTIONS={"options": f"-c search_path={os.environ.get('SITE_SCHEMA', 'tenant1')}"})}
AUTH_USER_MODEL = "people.Person"
