"""Addresses of the interface."""

from django.urls import path

from webapp.api import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
