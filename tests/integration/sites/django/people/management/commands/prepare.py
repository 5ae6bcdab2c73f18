from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Makes the tables of all databases, and accounts whose ids it prints, a line for each."

    def add_arguments(self, parser):
        parser.add_argument("--password")
        parser.add_argument("names", nargs="*")

    def handle(self, *, names, password, **options):
        self.migrate()
        model = get_user_model()
        for name in names:
            user = model.objects.create_user(**{model.USERNAME_FIELD: name}, password=password)
            self.stdout.write(str(user.pk))

    def migrate(self):
        for alias, database in settings.DATABASES.items():
            if not database["ENGINE"].endswith(".dummy"):
                call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
