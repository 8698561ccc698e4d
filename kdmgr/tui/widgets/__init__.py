"""Widgets: each draws one thing, and says in a message what the user did with it."""
