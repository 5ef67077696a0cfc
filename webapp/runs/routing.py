"""Addresses of the websockets."""

from django.urls import path, re_path

from webapp.runs.consumers import RunConsumer, Unknown
from webapp.runs.conversations import ChainConsumer

websocket_urlpatterns = [
    path("ws/runs/<str:run_id>", RunConsumer.as_asgi()),
    path("ws/chains/<str:name>", ChainConsumer.as_asgi()),
    re_path("", Unknown.as_asgi()),
]
