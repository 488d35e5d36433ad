"""Transports: how a host is reached. Each runs commands in one round trip and yields sections as they end."""
