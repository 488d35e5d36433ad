"""The authors' door: Django's admin edits runbooks as text. Every save of a runbook is a new revision."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join

from runbooks.document.model import Problem, Severity
from runbooks.models import Host, HostGroup, Revision, Runbook
from runbooks.revisions import add_revision, read

STARTING_TEXT = """---
title: What went wrong, in one line
kind: incident
tags: []
---

## Meaning

## Impact

## Diagnosis

### What does the kernel say?

```check
id: kernel
probe: kernel.gate
```

## Mitigation
"""


class RunbookForm(forms.ModelForm):  # type: ignore[type-arg]
    """A runbook is its text; everything else is read from the front matter."""

    text = forms.CharField(
        strip=False,
        widget=forms.Textarea(attrs={"rows": 40, "cols": 120, "spellcheck": "false", "class": "runbook-text"}),
        help_text="Markdown with check and remedy fences. Problems are shown below with line and column.",
    )
    comment = forms.CharField(required=False, max_length=300, help_text="What changed and why.")
    publish = forms.BooleanField(required=False, initial=True, help_text="Show this revision to readers and run it from now on.")

    class Meta:
        model = Runbook
        fields = ("slug",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = self.instance.revisions.first() if self.instance.pk else None
        self.initial.setdefault("text", newest.text if newest else STARTING_TEXT)

    def clean_text(self) -> str:
        """The text as it will be kept (LF line ends, as browsers send CRLF), or every error with its line and column."""
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        document = read(text)
        errors = [problem for problem in document.problems if problem.severity is Severity.ERROR]
        if errors:
            raise ValidationError([ValidationError("%(at)s %(say)s", params=_problem(problem)) for problem in errors])
        return text


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "at": f"{problem.line}:{problem.column}",
        "line": problem.line,
        "column": problem.column,
        "severity": str(problem.severity),
        "say": problem.say,
        "suggest": problem.suggest,
    }


@admin.register(Runbook)
class RunbookAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Edit the text; see the revisions; choose what is published."""

    form = RunbookForm
    list_display = ("title", "slug", "kind", "published_number", "updated_at")
    search_fields = ("title", "title_zh", "slug")
    fields = ("slug", "text", "comment", "publish", "history")
    readonly_fields = ("history",)
    list_select_related = ("published",)

    class Media:
        js = ("runbooks/lint.js",)
        css = {"all": ("runbooks/lint.css",)}  # noqa: RUF012  Django's form

    def get_readonly_fields(self, request: HttpRequest, obj: Runbook | None = None) -> tuple[str, ...]:
        """A slug is an address: it stays once it is given."""
        return ("slug", "history") if obj else ("history",)

    def get_urls(self) -> list[URLPattern]:
        """Adds the address that lints while the author types."""
        return [path("lint/", self.admin_site.admin_view(self.lint), name="runbooks_lint"), *super().get_urls()]

    def lint(self, request: HttpRequest) -> HttpResponse:
        """The problems of a text, as JSON."""
        if not self.has_change_permission(request) and not self.has_add_permission(request):
            raise PermissionDenied
        document = read(request.POST.get("text", "").replace("\r\n", "\n"))
        return JsonResponse({"ok": document.ok, "problems": [_problem(problem) for problem in document.problems]})

    def save_model(self, request: HttpRequest, obj: Runbook, form: Any, change: Any) -> None:
        """Every save is a revision; the runbook's own columns follow its front matter."""
        data = form.cleaned_data
        slug = obj.slug if change else data["slug"]
        revision = add_revision(slug, data["text"], author=request.user, comment=data["comment"], publish=data["publish"])
        obj.pk = revision.runbook_id
        obj.refresh_from_db()
        for problem in read(data["text"]).problems:
            messages.warning(request, f"{problem.line}:{problem.column} {problem.say}")

    def has_delete_permission(self, request: HttpRequest, obj: Runbook | None = None) -> bool:
        """Runs point at revisions, so a runbook that was run stays."""
        return super().has_delete_permission(request, obj) and (
            obj is None or not obj.revisions.filter(runs__isnull=False).exists()
        )

    @admin.display(description="published")
    def published_number(self, runbook: Runbook) -> str:
        """The number of the revision that readers see."""
        return f"revision {runbook.published.number}" if runbook.published else "not yet"

    @admin.display(description="revisions")
    def history(self, runbook: Runbook) -> str:
        """All revisions, newest first."""
        if not runbook.pk:
            return "The first save makes revision 1."
        rows = [
            (
                reverse("admin:runbooks_revision_change", args=[revision.pk]),
                revision.number,
                revision.sha256[:12],
                revision.created_at.strftime("%Y-%m-%d %H:%M"),
                revision.author or "library",
                revision.comment,
                "published" if revision.pk == runbook.published_id else "",
            )
            for revision in runbook.revisions.select_related("author")[:50]
        ]
        row = "<li><a href='{}'>revision {}</a> {} · {} · {} · {} <b>{}</b></li>"
        return format_html("<ul class='revisions'>{}</ul>", format_html_join("", row, rows))


@admin.register(Revision)
class RevisionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Read old revisions. They cannot be changed."""

    list_display = ("runbook", "number", "author", "created_at", "comment")
    list_select_related = ("runbook", "author")
    search_fields = ("runbook__slug", "runbook__title", "comment")
    readonly_fields = ("runbook", "number", "sha256", "author", "created_at", "comment", "text")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Revisions come from saving a runbook."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Revision | None = None) -> bool:
        """Never."""
        return False


@admin.register(Host)
class HostAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Hosts. Keys are pinned on the hosts page, where the fingerprints can be compared."""

    list_display = ("name", "transport", "address", "port", "host_key_state", "enabled", "last_seen_at")
    list_filter = ("transport", "host_key_state", "enabled", "groups")
    search_fields = ("name", "address")
    filter_horizontal = ("groups",)
    readonly_fields = ("host_key", "host_key_state", "offered_key", "system", "last_seen_at")


admin.site.register(HostGroup)
