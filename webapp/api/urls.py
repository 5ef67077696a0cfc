"""Addresses of the interface."""

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from webapp.api import chain_views, file_views, health, run_views, sessions, stream_views, transcript_views

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("api/session", sessions.Session.as_view()),
    path("api/session/login", sessions.Login.as_view()),
    path("api/session/logout", sessions.Logout.as_view()),
    path("api/files", file_views.Files.as_view()),
    path("api/files/<uuid:file_id>", file_views.OneFile.as_view()),
    path("api/files/<uuid:file_id>/content", file_views.FileContent.as_view()),
    path("api/chains", chain_views.Chains.as_view()),
    path("api/chains/<str:name>", chain_views.OneChain.as_view()),
    path("api/chains/<str:name>/stream", stream_views.stream_run),
    path("api/runs", run_views.Runs.as_view()),
    path("api/runs/<uuid:run_id>", run_views.OneRun.as_view()),
    path("api/runs/<uuid:run_id>/events", run_views.RunEvents.as_view()),
    path("api/runs/<uuid:run_id>/invocations", run_views.RunInvocations.as_view()),
    path("api/runs/<uuid:run_id>/cancel", run_views.CancelRun.as_view()),
    path("api/runs/<uuid:run_id>/resume", run_views.ResumeRun.as_view()),
    path("api/runs/<uuid:run_id>/rerun", run_views.RerunRun.as_view()),
    path("api/runs/<uuid:run_id>/transcript.<str:fmt>", transcript_views.RunTranscript.as_view()),
    path("api/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(template_name="api/docs.html")),
]
