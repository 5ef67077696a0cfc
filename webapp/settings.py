"""The one settings file. Every value comes from the environment; without any, it fits a laptop."""

import re
from pathlib import Path

from webapp import env

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.folder("DATA_DIR", BASE_DIR / "data")
FILES_DIR = DATA_DIR / "files"
MODELS_DIR = env.folder("CHAINLETS_MODELS_DIR", DATA_DIR / "models")

DEBUG = env.flag("DEBUG")
PORT = env.number("PORT", 8000, minimum=1)
SECRET_KEY = env.kept_secret("SECRET_KEY", DATA_DIR / "secret_key")
# This machine's own names always count: the supervisor and health checks ask by them.
ALLOWED_HOSTS = [*env.names("ALLOWED_HOSTS"), "localhost", "127.0.0.1", "[::1]"]
HTTPS_ONLY = env.flag("HTTPS_ONLY")

# What runs, and where.
SHIPPED_CHAINS = ("hello", "fan_out", "stream", "numbers", "retrieval", "poems", "transcribe", "excerpt")
CHAINS = env.names("CHAINS", ",".join(f"chainlets.chains.{name}" for name in SHIPPED_CHAINS))
CHAINS_DIR = env.text("CHAINS_DIR")
WHISPER_MODEL = env.text("WHISPER_MODEL", "base")
PRELOAD = env.names("PRELOAD", "transcribe.WhisperModel")
WORKER_PROCESSES = env.number(
    "WORKER_PROCESSES", 0
)  # 0: one for each GPU; without, one for each core, at most 4
CPU_PROCESSES = env.number("CPU_PROCESSES", 1, minimum=1)  # that serve the queue cpu
WORKER_MEMORY = env.size("WORKER_MEMORY")  # for the replicas of one worker process; none: all there is
MODEL_QUEUES = env.text("MODEL_QUEUES")  # empty: by the GPUs that are there; without, gpu.* on the CPU
# Celery and redis-py write the address of a socket differently; here it is always redis-py's.
REDIS_URL = re.sub(r"^redis\+socket://", "unix://", env.secret("REDIS_URL") or "redis://127.0.0.1:6379/0")
BROKER_PREFIX = "chainlets."  # before the name of every queue in the broker
MAX_UPLOAD_BYTES = env.number("MAX_UPLOAD_BYTES", 4 * 1024**3, minimum=1)
# What may be under way; 0 means as many as there are.
MAX_OPEN_RUNS_PER_USER = env.number("MAX_OPEN_RUNS_PER_USER", 1000)
RUNS_PER_MINUTE_PER_USER = env.number("RUNS_PER_MINUTE_PER_USER", 0)
MAX_QUEUED_CALLS = env.number("MAX_QUEUED_CALLS", 200_000)
# A call's input or result with more bytes of JSON lies in a file and not in its row; with more than the second, it is refused.
VALUE_INLINE_BYTES = env.number("VALUE_INLINE_BYTES", 256 * 1024, minimum=1)
VALUE_MAX_BYTES = env.number("VALUE_MAX_BYTES", 64 * 1024**2, minimum=1)
ADMIN_PASSWORD = env.secret("ADMIN_PASSWORD")
ADMIN_API_KEY = env.secret("ADMIN_API_KEY")

INSTALLED_APPS = [
    "webapp.accounts",
    "webapp.catalog",
    "webapp.runs",
    "webapp.files",
    "webapp.fleet",
    "webapp.api",
    "webapp.ui",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "webapp.ui.headers.SecureHeaders",
    "webapp.ui.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "webapp.urls"
ASGI_APPLICATION = "webapp.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": env.database(env.secret("DATABASE_URL"), sqlite=DATA_DIR / "db.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Waiting for a message may take channels-redis 5 s; redis-py would give up at the same moment.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 15}], "prefix": "chainlets.live"},
    },
}

# People
AUTHENTICATION_BACKENDS = ["webapp.accounts.backends.ThrottledBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
SESSION_COOKIE_AGE = 14 * 24 * 3600  # seconds
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "webapp.api.problems.csrf_failed"

# Requests. Uploads are streamed by webapp.files; everything else is small.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024**2
FILE_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024**2
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "webapp.accounts.authentication.KeyAuthentication",
        "webapp.accounts.authentication.BrowserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["webapp.api.parsers.PlainJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "webapp.api.negotiation.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "webapp.api.problems.problem_response",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Chainlets",
    "DESCRIPTION": "Start runs of chains, follow them live and fetch what they made.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# Static files come straight from the apps and from the built page: no copy, nothing to collect.
STATIC_URL = "/static/"
FRONTEND_DIST = BASE_DIR / "frontend" / "dist"
STATICFILES_DIRS = [("app", FRONTEND_DIST)] if FRONTEND_DIST.is_dir() else []
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/app/assets/.+-[\w-]{8}\.\w+$"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "chainlets": {"level": "INFO"},
        "webapp": {"level": "INFO"},
        "django": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "django.request": {"level": "ERROR"},  # a client's mistake is no news for the operator
    },
}
