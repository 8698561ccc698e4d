"""What runs models: an Ollama server, or llama.cpp embedded in a worker process."""
