from django.contrib.staticfiles.views import serve
from django.urls import include, path

from wagtail import urls as pages
from wagtail.admin import urls as admin

urlpatterns = [
    path("admin/", include(admin)),
    path("static/<path:path>", serve, {"insecure": True}),
    path("", include(pages)),
]
