"""The distilled students: who taught them, how, and how we know."""
