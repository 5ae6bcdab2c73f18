from django.db import models
from wagtail.admin.panels import FieldPanel
from wagtail.models import Page


class NewsPage(Page):
    body = models.TextField()
    content_panels = Page.content_panels + [FieldPanel("body")]
