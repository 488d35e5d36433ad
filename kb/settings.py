"""Settings, flat and by section; every difference between machines comes from the environment (docs/settings.md lists it)."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

from csp.constants import NONE, SELF

from kb.env import celery_url, database, directory, env_bool, env_int, env_list, env_secret, env_str, first_secret

# --- places ------------------------------------------------------------------
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = directory(Path(env_str("SIDENOTE_DATA_DIR", str(BASE_DIR / ".data"))))
# A unix socket path must stay below 108 bytes, so it never stands under a deep checkout.
_SHORT_NAME = sha256(str(DATA_DIR).encode()).hexdigest()[:12]
RUNTIME_DIR = Path(env_str("SIDENOTE_RUNTIME_DIR", str(Path(tempfile.gettempdir()) / f"sidenote-{_SHORT_NAME}")))
LIBRARY_DIR = Path(env_str("SIDENOTE_LIBRARY_DIR", str(BASE_DIR / "runbooks" / "library")))

# --- identity and safety -----------------------------------------------------
DEBUG = env_bool("SIDENOTE_DEBUG", default=False)
SECRET_KEY = env_secret("SIDENOTE_SECRET_KEY") or first_secret(DATA_DIR / "secret-key")
KEY_ENCRYPTION_KEYS = env_secret("SIDENOTE_KEY_ENCRYPTION_KEYS") or first_secret(DATA_DIR / "key-encryption-key")
ALLOWED_HOSTS = env_list("SIDENOTE_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("SIDENOTE_CSRF_TRUSTED_ORIGINS")
HTTPS = env_bool("SIDENOTE_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env_bool("SIDENOTE_BEHIND_PROXY", default=False) else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 7 << 20  # a runbook of 2 MB, of which a form writes each byte as three, and something over
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 1  # hour
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "kb.views.locked"
AXES_VERBOSE = False
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "library"
LOGOUT_REDIRECT_URL = "login"

# --- the site ----------------------------------------------------------------
ROOT_URLCONF = "kb.urls"
ASGI_APPLICATION = "kb.asgi.application"
INSTALLED_APPS = [
    "kb.admin_app.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "runbooks",
    "kb",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "kb.middleware.FragmentLoginMiddleware",
    "kb.middleware.TokenMiddleware",
    "kb.middleware.ReadableMiddleware",
    "kb.middleware.AskingMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "kb.static_files.VersionedStorage"},
}
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "kb" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- the database: the truth -------------------------------------------------
DATABASES = {"default": database(env_secret("SIDENOTE_DATABASE_URL"), DATA_DIR)}

# --- the broker: a doorbell and the live channel -----------------------------
BROKER_SOCKET = RUNTIME_DIR / "broker.sock"
BROKER_URL = env_secret("SIDENOTE_BROKER_URL")  # redis://host:port/db or unix:///path?db=0; empty: the embedded server
LIVE_URL = BROKER_URL or f"unix://{BROKER_SOCKET}?db=0"
CELERY_BROKER_URL = celery_url(LIVE_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = False  # the database row is the queue; a lost message is rung again by the sweeper
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # the lease decides, not the broker
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 10, "visibility_timeout": 3600}
CELERY_TASK_TIME_LIMIT = 900  # the last line; deadlines are our own
CELERY_TASK_DEFAULT_QUEUE = "probe"

# --- runs --------------------------------------------------------------------
RUN_DEADLINE_S = env_int("SIDENOTE_RUN_DEADLINE_S", 900)
LEASE_S = 15
LEASE_RENEW_S = 5
SWEEP_AFTER_S = 5  # a queued step is rung again after this long
DRAIN_AFTER_S = 10  # without Celery, drain takes a step that waited this long
MAX_ATTEMPTS = 2
SHARD_HOSTS = 50
HOST_RUNS_MAX = 2  # so many runs may be at one host at the same time; the next one waits
MIN_FREE_MIB = env_int("SIDENOTE_MIN_FREE_MIB", 50)
RETENTION_DAYS = env_int("SIDENOTE_RETENTION_DAYS", 90)

# --- logging -----------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env_str("SIDENOTE_LOG_LEVEL", "WARNING")},
}
