from django.core.management import call_command

from people.management.commands import prepare
from tenants.models import Client, Domain


class Command(prepare.Command):
    def migrate(self):
        call_command("migrate_schemas", schema_name="public", verbosity=0)
        for schema, domain in [("public", "public.example.com"), ("tenant1", "127.0.0.1")]:
            Domain.objects.create(domain=domain, tenant=Client.objects.create(schema_name=schema, name=schema))
