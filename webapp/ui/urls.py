"""Everything that is not the interface, the admin or a static file is a page."""

from django.urls import re_path

from webapp.ui.views import page

urlpatterns = [
    re_path(r"^(?!(?:api|ws|v1|admin|static|metrics|healthz|readyz)(?:/|$)).*$", page, name="page"),
]
