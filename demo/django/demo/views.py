"""Views that use the session as Django applications do."""

from django.contrib.sessions.models import Session
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe


@require_safe
def home(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return render(request, "home.html", {"cart": request.session.get("cart", [])})


@require_http_methods(["POST"])
def cart(request):
    items = request.session.get("cart", [])
    if item := request.POST.get("item", "").strip()[:100]:
        items.append(item)
    request.session["cart"] = items
    return redirect("/")


@require_safe
def session(request):
    """The session as Django sees it, and when the store ends it, for the tests."""
    return JsonResponse(
        {
            "user": request.user.get_username(),
            "data": dict(request.session.items()),
            "expires": Session.objects.get(pk=request.session.session_key).expire_date.isoformat(),
        }
    )
