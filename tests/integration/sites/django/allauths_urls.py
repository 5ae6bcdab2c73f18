from django.urls import include, path

from pages import home

urlpatterns = [path("", home), path("accounts/", include("allauth.urls"))]
