package fromdjango

import (
	"strings"
	"testing"
)

// model returns an app with a user model of its own.
func model(body string) map[string]string {
	return map[string]string{"own/__init__.py": "", "own/models.py": "import uuid\nfrom django.contrib.auth.models import AbstractBaseUser, AbstractUser, User, UserManager\nfrom django.db import models\n" + body}
}

// TestAccounts translates every kind of user model.
func TestAccounts(t *testing.T) {
	with := head + sqlite + "INSTALLED_APPS += ['own']\nAUTH_USER_MODEL = 'own.Account'\n"
	onPostgres := head + postgres + "INSTALLED_APPS += ['own']\nAUTH_USER_MODEL = 'own.Account'\n"
	const plain = "class Account(AbstractUser):\n    groups = user_permissions = None\n"
	off := []string{"--accounts off\n", "note accounts are not checked", "identity:map[auth_backends:[django.contrib.auth.backends.ModelBackend]]"}
	all(t, []row{
		{name: "a model of the project's", files: model(plain), settings: with, want: []string{"serve serve --store sqlite://$DIR/db.sqlite3 --users own_account\n"}, not: []string{"not checked", "identity"}},
		{name: "groups and permissions", files: model("class Account(AbstractUser):\n    pass\n"), settings: with, want: []string{
			"--users own_account --user-groups own_account_groups,account_id,group_id --user-permissions own_account_user_permissions,account_id,permission_id\n"}},
		{name: "groups and permissions in another table", files: model("class Account(AbstractUser):\n    class Meta: db_table = 'auth_user'\n"), settings: with, want: []string{
			"db.sqlite3 --user-groups auth_user_groups,account_id,group_id --user-permissions auth_user_user_permissions,account_id,permission_id\n"}},
		{name: "no groups in Django's table", files: model(plain + "    class Meta: db_table = 'auth_user'\n"), settings: with, want: []string{"db.sqlite3 --user-groups off --user-permissions off\n"}},
		{name: "a proxy", files: model("class Account(User):\n    class Meta: proxy = True\n"), settings: strings.Replace(with, "own.Account", "auth.User", 1), want: []string{"serve serve --store sqlite://$DIR/db.sqlite3\n"}},
		{name: "a UUID", files: model(plain + "    id = models.UUIDField(primary_key=True, default=uuid.uuid4)\n"), settings: with, want: []string{"--users own_account\n"}, not: []string{"not checked"}},
		{name: "a schema", files: model(plain + "    class Meta: db_table = 'people\".\"user'\n"), settings: onPostgres, want: []string{"--users people.user\n"}},
		{name: "a schema, in quotes", files: model(plain + "    class Meta: db_table = '\"people\".\"user\"'\n"), settings: onPostgres, want: []string{"--users people.user\n"}},
		{name: "a dot in the table's name", files: model(plain + "    class Meta: db_table = 'people.user'\n"), settings: onPostgres, want: append(off, `AUTH_USER_MODEL own.Account has the table "people.user"`)},
		{name: "a manager that selects", files: model("class Kept(UserManager):\n    def get_queryset(self): return super().get_queryset().filter(is_staff=True)\n" + plain + "    objects = Kept()\n"), settings: with,
			want: []string{"--users own_account\n", "note AUTH_USER_MODEL own.Account selects its accounts by own.models.Kept.get_queryset: the session service reads the whole table own_account"}},

		{name: "no user model", settings: strings.Replace(head, `"django.contrib.auth", `, "", 1) + sqlite, want: []string{"serve serve --store sqlite://$DIR/db.sqlite3 --accounts off\n", "note accounts are not checked: there is no user model (AUTH_USER_MODEL)"}, not: []string{"identity"}},
		{name: "hashes of the project's own", files: model(plain + "    def get_session_auth_hash(self): return 'x'\n"), settings: with, want: append(off,
			"AUTH_USER_MODEL own.Account makes session hashes by own.models.Account.get_session_auth_hash, and every session would be refused by a mismatch; with Django's own get_session_auth_hash the accounts can be checked")},
		{name: "hashes of a class between", files: model("class Salted:\n    def _get_session_auth_hash(self, secret=None): return 'x'\nclass Account(Salted, AbstractUser):\n    groups = user_permissions = None\n"), settings: with, want: append(off, "own.models.Salted._get_session_auth_hash")},
		{name: "fallback hashes of the project's own", files: model(plain + "    def get_session_auth_fallback_hash(self): yield 'x'\n"), settings: with, want: append(off, "own.models.Account.get_session_auth_fallback_hash")},
		{name: "no is_active", want: []string{"--users own_account --user-columns id,password\n"}, not: []string{"not checked"}, files: model("class Account(AbstractBaseUser):\n    USERNAME_FIELD = 'email'\n    email = models.TextField(unique=True)\n    objects = UserManager()\n"), settings: with},
		{name: "is_active of the project's own", files: model("class Account(AbstractBaseUser):\n    USERNAME_FIELD = 'email'\n    email = models.TextField(unique=True)\n    is_active = property(lambda self: False)\n    objects = UserManager()\n"), settings: with, want: append(off, "AUTH_USER_MODEL own.Account has an is_active that is no BooleanField (property)")},
		{name: "is_active of another type", files: model(plain + "    is_active = models.DateTimeField()\n"), settings: with, want: append(off, "no BooleanField (DateTimeField)")},
		{name: "another key", files: model(plain + "    email = models.EmailField(primary_key=True)\n"), settings: with, want: []string{"--users own_account --user-columns email,password,is_active\n"}, not: []string{"not checked"}},
		{name: "another column", files: model(plain + "    is_active = models.BooleanField(db_column='live')\n"), settings: with, want: []string{"--user-columns id,password,live\n"}, not: []string{"not checked"}},
		{name: "a column with a comma", files: model(plain + "    is_active = models.BooleanField(db_column='a,b')\n"), settings: with, want: append(off, `the columns ["id" "password" "a,b"], and --user-columns separates them by commas`)},
		{name: "a child of Django's", files: model("class Account(User):\n    pass\n"), settings: with, want: append(off, "AUTH_USER_MODEL own.Account has password and is_active in the table of the model that it inherits")},
		{name: "a key of the project's own type", files: model("class Secret(models.AutoField):\n    def get_internal_type(self): return 'Secret'\n" + plain + "    id = Secret(primary_key=True)\n"), settings: with, want: append(off, "a primary key of the type Secret")},
		{name: "accounts in MySQL", files: engines, settings: head + strings.Replace(router, "people", "maria", 1) + strings.Replace(sqlite, "}}", "}, 'maria': {'ENGINE': 'maria'}}", 1), want: append(off, `DATABASES['maria'] ENGINE "maria" is mysql`)},
		{name: "accounts in SQLite with local times", settings: strings.Replace(cached(djangos, "'LOCATION': 'redis://a'"), "USE_TZ = True", "USE_TZ = False", 1), want: []string{"--accounts sqlite://$DIR/db.sqlite3\n"}, not: []string{"not checked"}},
	})
}

// TestAuthBackends translates backends that admit other users than the accounts' table would.
func TestAuthBackends(t *testing.T) {
	files := map[string]string{"own.py": `
from django.contrib.auth.backends import BaseBackend, ModelBackend
class Lenient(ModelBackend):
    def user_can_authenticate(self, user): return True
class Fails(ModelBackend):
    def user_can_authenticate(self, user): return user.tenant.open
class Remote(BaseBackend):
    def get_user(self, user_id): return None
`}
	with := func(backends string) string { return head + sqlite + "AUTHENTICATION_BACKENDS = " + backends + "\n" }
	const django = "django.contrib.auth.backends."
	all(t, []row{
		{name: "all users", settings: with("['" + django + "AllowAllUsersModelBackend']"), want: []string{
			"--auth-backends " + django + "AllowAllUsersModelBackend --inactive-backends " + django + "AllowAllUsersModelBackend\n",
			"note AUTHENTICATION_BACKENDS: users who are not active are admitted with sessions of " + django + "AllowAllUsersModelBackend, as in Django"}},
		{name: "all remote users, and active ones", settings: with("['" + django + "ModelBackend', '" + django + "AllowAllUsersRemoteUserBackend']"), want: []string{
			"--auth-backends " + django + "ModelBackend," + django + "AllowAllUsersRemoteUserBackend --inactive-backends " + django + "AllowAllUsersRemoteUserBackend\n"}},
		{name: "active remote users", settings: with("['" + django + "RemoteUserBackend']"), want: []string{"--auth-backends " + django + "RemoteUserBackend\n"}, not: []string{"inactive"}},
		{name: "a backend of the project's", files: files, settings: with("['own.Lenient']"), want: []string{"--inactive-backends own.Lenient\n"}},
		{name: "a backend that finds users by itself", files: files, settings: with("['own.Remote']"), want: []string{"--auth-backends own.Remote\n", "note AUTHENTICATION_BACKENDS: own.Remote finds users by own.Remote.get_user; the session service finds them by id in auth_user"}, not: []string{"inactive"}},
		{name: "lazy", settings: "from django.utils.functional import lazystr\n" + with("(lazystr('"+django+"RemoteUserBackend'),)"), want: []string{"--auth-backends " + django + "RemoteUserBackend\n"}},
		{name: "a backend that cannot decide", files: files, settings: with("['own.Fails']"), want: []string{"--auth-backends own.Fails\n", "note AUTHENTICATION_BACKENDS: own.Fails.user_can_authenticate cannot decide about a user who is not active (AttributeError: 'User' object has no attribute 'tenant'), and such users are refused"}},
		{name: "none", refused: true, settings: with("[]"), want: []string{"AUTHENTICATION_BACKENDS is empty"}},
	})
}
