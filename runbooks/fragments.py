"""What has changed in a run since an event, as pieces of the page that find their own places (htmx out-of-band swaps)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.template.loader import get_template, render_to_string
from django.utils import translation

from checks import catalog
from runbooks.choices import RUN_TERMINAL
from runbooks.models import Run
from runbooks.presenters.run import RunView, present_run
from runbooks.watching import Watch, token_of


def prepare() -> None:
    """Load the catalogue and the templates, so that the first change of the first run comes as fast as the rest."""
    catalog.catalog()
    for name in (*_ALWAYS, "card", "grid_row", "grid_legend", "live"):
        get_template(f"runbooks/_{name}.html")


@dataclass(frozen=True)
class Changes:
    """Pieces by name, up to and including event ``seq``."""

    seq: int
    finished: bool
    pieces: Mapping[str, str]

    @property
    def html(self) -> str:
        """All pieces."""
        return "".join(self.pieces.values())


def changes(watch: Watch, since: int, *, broker_down: bool = False) -> Changes:
    """The pieces that events after ``since`` may have changed, in the language of the watch. Raises Run.DoesNotExist."""
    with translation.override(watch.language):
        view = present_run(watch.run, since=since, broker_down=broker_down)
        return Changes(view.seq, view.finished, _pieces(view, watch))


def seq_and_state(watch: Watch) -> tuple[int, bool]:
    """The newest event of a run and whether it has ended: one small statement. Raises Run.DoesNotExist."""
    seq, state = Run.objects.values_list("last_seq", "state").get(pk=watch.run)
    return seq, state in RUN_TERMINAL


def live_piece(watch: Watch, seq: int, *, finished: bool, oob: bool = True) -> str:
    """The element that listens; a finished run's does not."""
    with translation.override(watch.language):
        context = {"run_id": watch.run, "seq": seq, "finished": finished, "token": token_of(watch), "oob": oob}
        return render_to_string("runbooks/_live.html", context)


_ALWAYS = ("run_status", "run_notices", "run_overview")


def _pieces(view: RunView, watch: Watch) -> dict[str, str]:
    context = {"run": view, "may_start": watch.may_start, "oob": True}
    pieces: dict[str, str] = {
        name: render_to_string(f"runbooks/_{name}.html", context) for name in ("run_status", "run_notices", "run_overview")
    }
    rows = {row.check: row for row in view.grid.rows} if view.grid else {}
    for part in view.parts:
        if part.card is not None:
            pieces[f"card-{part.check}"] = render_to_string("runbooks/_card.html", {**context, "card": part.card})
            if part.check in rows:
                row = {"row": rows[part.check], "by_group": view.grid and view.grid.by_group}
                pieces[f"row-{part.check}"] = render_to_string("runbooks/_grid_row.html", {**context, **row})
    if view.grid:
        pieces["grid_legend"] = render_to_string("runbooks/_grid_legend.html", context)
    return pieces
