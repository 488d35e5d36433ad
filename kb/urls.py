"""Where everything is."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from kb import views
from kb.login_links import login_once
from runbooks.api import api

handler403 = "django.views.defaults.permission_denied"
handler500 = "kb.views.server_error"

admin.autodiscover()

urlpatterns = [
    path("", include("runbooks.urls")),
    path("login/", views.Login.as_view(), name="login"),
    path("login/once/<str:token>/", login_once, name="login-once"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", views.Password.as_view(), name="password"),
    path("favicon.ico", views.icon, name="icon"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("api/v1/", api.urls),
    path("admin/login/", views.one_login),
    path("admin/", admin.site.urls),
]
