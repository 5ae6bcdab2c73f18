"""The pages."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from demo import views

urlpatterns = [
    path("", views.home),
    path("cart/", views.cart),
    path("session/", views.session),
    path("login/", LoginView.as_view(template_name="login.html", redirect_authenticated_user=True)),
    # Django's own logout. The filter's is /logout/, which never gets here.
    path("django-logout/", LogoutView.as_view()),
]
