"""Every address of the web application; what no other line takes is the page's own."""

from django.contrib import admin
from django.urls import include, path

admin.site.site_header = admin.site.site_title = "Chainlets: operations"
admin.site.index_title = "Records and actions"

handler400 = "webapp.api.problems.bad_request"
handler403 = "webapp.api.problems.permission_denied"
handler404 = "webapp.api.problems.not_found"
handler500 = "webapp.api.problems.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("webapp.api.urls")),
    path("", include("webapp.ui.urls")),
]
