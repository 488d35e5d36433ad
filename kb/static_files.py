"""Style sheet and scripts for a site without a proxy: addresses carry the content's hash, so browsers may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.exceptions import SuspiciousFileOperation
from django.http import FileResponse, Http404, HttpRequest, HttpResponse

FOR_EVER = "public, max-age=31536000, immutable"
TEXT = ("text/css", "text/javascript", "application/javascript", "image/svg+xml")


@lru_cache(maxsize=512)
def _version(path: str, changed: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:10]


@lru_cache(maxsize=64)
def _packed(path: str, changed: int) -> bytes:
    return gzip.compress(Path(path).read_bytes(), mtime=0)


class VersionedStorage(StaticFilesStorage):
    """Adds ``?v=`` and the content's hash to every address, so that an update is seen at once."""

    def url(self, name: str | None) -> str:
        """The address of a static file."""
        found = finders.find(name) if name else None
        address = super().url(name)
        return f"{address}?v={_version(found, Path(found).stat().st_mtime_ns)}" if isinstance(found, str) else address


class StaticFiles(ASGIStaticFilesHandler):
    """Serves the files packed, and with the leave to keep them when the address has their hash."""

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        """One file."""
        try:
            response = super().serve(request)
        except SuspiciousFileOperation:  # a way out of the folders
            raise Http404(request.path) from None
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = FOR_EVER if request.GET.get("v") else "no-cache"
        path = finders.find(self.file_path(request.path))
        kind = response.get("Content-Type", "").partition(";")[0]
        if not isinstance(response, FileResponse) or not isinstance(path, str) or kind not in TEXT:
            return response
        response["Vary"] = "Accept-Encoding"
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return response
        headers = {name: value for name, value in response.items() if name != "Content-Length"}
        response.close()
        return HttpResponse(_packed(path, Path(path).stat().st_mtime_ns), headers=headers | {"Content-Encoding": "gzip"})
