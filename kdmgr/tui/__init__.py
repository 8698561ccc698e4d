"""The terminal app. Thin: it shows what the services say."""
