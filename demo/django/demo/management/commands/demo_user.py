"""Create the user that the demonstration's pages name."""

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Make the user demo with the password cloakroom, if there is none."

    def handle(self, *args, **options):
        users = get_user_model().objects
        if not users.filter(username="demo").exists():
            users.create_user("demo", password="cloakroom")
