"""The arithmetic of fit: machine and model shape to memory plan, verdict and speed. Pure."""
