from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Changes an account."

    def add_arguments(self, parser):
        parser.add_argument("name")
        parser.add_argument("--password")
        parser.add_argument("--inactive", action="store_true")

    def handle(self, *, name, password, inactive, **options):
        model = get_user_model()
        user = model.objects.get_by_natural_key(name)
        if password:
            user.set_password(password)
        if inactive:
            user.is_active = False
        user.save()
