"""Pages. A view decides rights, reads one presenter and picks page or fragment; nothing else."""
