"""The admin with a door of our own; the admin itself is loaded by the web process only (kb.urls)."""

from django.contrib.admin.apps import SimpleAdminConfig


class AdminConfig(SimpleAdminConfig):
    """Django's admin behind ``kb.admin_site.Site``."""

    default_site = "kb.admin_site.Site"
