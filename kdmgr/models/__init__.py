"""Where models are: stores on disk, registries, header cache, transfers."""
