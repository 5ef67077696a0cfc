"""The door for HTTP and websockets; uvicorn serves `application`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
django.setup(set_prefix=False)

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  (models need Django to be set up)

from webapp.files.streaming import StreamingHandler  # noqa: E402
from webapp.runs.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": StreamingHandler(),
        "websocket": URLRouter(websocket_urlpatterns),
    },
)
