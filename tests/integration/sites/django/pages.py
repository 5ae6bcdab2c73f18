from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.shortcuts import render
from django.urls import path


@login_required
def home(request):
    request.session["seen"] = request.session.get("seen", 0) + 1
    return render(request, "home.html")


urlpatterns = [
    path("", home),
    path("login/", LoginView.as_view(template_name="form.html"), name="login"),
    path("logout/", LogoutView.as_view(next_page="login")),
]
