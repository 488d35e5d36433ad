"""How steps come to their end: claimed, collected, judged, recorded. ``execute`` is the whole of it for some hosts of a run.

Read it in this order: ``held`` (a run whose row is locked), ``claim``, ``close``, ``settle``, ``prepare``, ``fleet``, ``shard``.
"""

from runbooks.execution.shard import execute

__all__ = ["execute"]
