"""What Ollama's own engine allocates (0.11.5 to 0.24): its weights, caches, graph and placement."""
