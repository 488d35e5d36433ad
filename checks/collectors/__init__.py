"""Collectors: fixed POSIX sh text (dash, busybox ash, bash), one file per family. A collector is data, never built from input."""
