"""What has ended stays as it is: the database itself refuses to change a terminal step, the end of a run, or a result.

A later migration that rebuilds one of these tables on SQLite loses its trigger and must make it again; a test holds that.
"""

from typing import Any

from django.db import migrations

STEP_ENDED = "OLD.state IN ('done', 'error', 'timeout', 'refused', 'cancelled', 'skipped', 'lost')"
RUN_ENDED = "OLD.state IN ('finished', 'cancelled', 'expired')"
RUN_CHANGED = "(NEW.state <> OLD.state OR NEW.verdict <> OLD.verdict OR NEW.last_seq < OLD.last_seq)"

GUARDS = (
    ("runbooks_step", "step_has_ended", STEP_ENDED, "a step that has ended never changes"),
    ("runbooks_run", "run_has_ended", f"{RUN_ENDED} AND {RUN_CHANGED}", "a run that has ended never changes"),
    ("runbooks_result", "result_stays", "TRUE", "a result never changes"),
)


def _sqlite(table: str, name: str, condition: str, say: str) -> list[str]:
    return [
        f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{say}'); END",
    ]


def _postgresql(table: str, name: str, condition: str, say: str) -> list[str]:
    return [
        f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION '{say}' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {name}()",
    ]


def make(apps: Any, schema_editor: Any) -> None:
    write = {"sqlite": _sqlite, "postgresql": _postgresql}[schema_editor.connection.vendor]
    for guard in GUARDS:
        for statement in write(*guard):
            schema_editor.execute(statement)


def drop(apps: Any, schema_editor: Any) -> None:
    for table, name, _, _ in GUARDS:
        if schema_editor.connection.vendor == "sqlite":
            schema_editor.execute(f"DROP TRIGGER {name}")
        else:
            schema_editor.execute(f"DROP TRIGGER {name} ON {table}")
            schema_editor.execute(f"DROP FUNCTION {name}()")


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0001_initial")]
    operations = [migrations.RunPython(make, drop)]
