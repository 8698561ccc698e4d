"""How large an engine's compute buffer gets: its graph, built from the header, and its allocator, replayed."""
