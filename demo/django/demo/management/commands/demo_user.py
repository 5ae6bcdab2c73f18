"""Create the users that the demonstration's pages name."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Make demo, of the staff and the group editors, and guest, who is neither; the password of both is cloakroom."

    def handle(self, *args, **options):
        users = get_user_model().objects
        for name in ("demo", "guest"):
            if not users.filter(username=name).exists():
                users.create_user(name, f"{name}@example.com", "cloakroom")
        editors, _ = Group.objects.get_or_create(name="editors")
        editors.permissions.add(Permission.objects.get(content_type__app_label="auth", codename="view_user"))
        demo = users.get(username="demo")
        demo.email, demo.is_staff = "demo@example.com", True
        demo.save()
        demo.groups.add(editors)
        demo.user_permissions.add(Permission.objects.get(content_type__app_label="auth", codename="view_group"))
