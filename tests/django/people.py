"""Makes accounts at random, and returns what Django says of them."""

import random

NAMES = ["editors", "a,b", "Zoë's", "100 % of us", "staff ", 'quote"s', "新しい", "line\nbreak"]


def make(seed, count):
    from django.contrib.auth.models import Group, Permission, User

    draw = random.Random(seed)
    permissions = list(Permission.objects.all())
    groups = [Group.objects.create(name=name) for name in NAMES]
    for group in groups:
        group.permissions.set(draw.sample(permissions, draw.randrange(4)))
    for i in range(count):
        user = User.objects.create(
            username=f"user{i}", email=draw.choice(["", f"user{i}@example.com"]), password=f"hash{i}",
            first_name=draw.choice(["", "Zoë", "O'Neill", 'a"b', "新", "\u0001"]), last_name=draw.choice(["", "x" * 150]),
            is_active=draw.random() < 0.8, is_staff=draw.random() < 0.5, is_superuser=draw.random() < 0.2,
        )
        user.groups.set(draw.sample(groups, draw.randrange(4)))
        user.user_permissions.set(draw.sample(permissions, draw.randrange(4)))
    return [described(user) for user in User.objects.order_by("pk")]


def described(user):
    columns = ("username", "email", "first_name", "last_name", "is_staff", "is_superuser", "is_active")
    return {
        "id": str(user.pk),
        **{name: getattr(user, name) for name in columns},
        "groups": sorted((group.name for group in user.groups.all()), key=str.encode),
        "permissions": sorted(user.get_all_permissions(), key=str.encode),
    }


def many(groups, statements):
    """Makes a user with so many groups, if there is none, and runs statements."""
    from django.contrib.auth.models import Group, User
    from django.db import connection

    user = User.objects.filter(username="many").first() or User.objects.create(username="many", password="hash")
    if groups:
        user.groups.set(Group.objects.bulk_create(Group(name=f"group{i}") for i in range(groups)))
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    return str(user.pk)
