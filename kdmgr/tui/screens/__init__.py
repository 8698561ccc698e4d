"""Screens: each owns its workers, and asks the services."""
