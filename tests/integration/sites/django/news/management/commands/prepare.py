from django.contrib.auth import get_user_model
from people.management.commands import prepare
from wagtail.models import Page, Site

from news.models import NewsPage


class Command(prepare.Command):
    def handle(self, *, names, **options):
        super().handle(names=names, **options)
        get_user_model().objects.filter(username__in=names).update(is_superuser=True, is_staff=True)
        page = Page.get_first_root_node().add_child(instance=NewsPage(title="The news", slug="news", body="Nothing yet."))
        Site.objects.update(root_page=page)
