"""The authors' door in a real browser: it lints while one types, leads to the line, and saves nothing that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from runbooks.models import Runbook

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["light", "dark"])
def page(request: Any, open_page: Any) -> Any:
    return open_page(color_scheme=request.param, viewport={"width": 1440, "height": 900})


def test_it_lints_leads_to_the_line_and_makes_a_revision_of_every_save(page: Any) -> None:
    page.get_by_role("link", name="Write", exact=True).click()
    page.get_by_role("link", name="Add runbook").click()
    text = page.get_by_label("Text:")
    page.get_by_label("Slug:").fill("made-here")
    good = text.input_value().replace("probe: kernel.gate", "probe: cgroup.mode")
    text.fill(good.replace("cgroup.mode", "cgroup.mood"))
    place = page.locator(".runbook-lint button").first
    page.wait_for_function("() => document.querySelector('.runbook-lint .error button')")
    line, column = (int(part) for part in place.inner_text().split(":"))
    assert good.split("\n")[line - 1] == "probe: cgroup.mode"
    place.click()
    before = sum(len(row) + 1 for row in good.split("\n")[: line - 1]) + column - 1
    assert page.evaluate("document.activeElement.selectionStart") == before
    page.get_by_role("button", name="Save", exact=True).click()
    assert f"{line}:{column} " in page.locator(".errorlist").last.inner_text()
    assert not Runbook.objects.exists()
    text.fill(good)
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_text("No problems.").wait_for()
    text.fill(good.replace("What went wrong, in one line", "Another title"))
    page.get_by_label("Publish").uncheck()
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("link", name="revision 2").wait_for()
    book = Runbook.objects.get()
    assert book.published is not None
    assert book.published.number == 1
    assert page.complaints == []
