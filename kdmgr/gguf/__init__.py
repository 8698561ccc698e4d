"""GGUF headers: bytes to header to model shape. Pure: no file is opened here."""
