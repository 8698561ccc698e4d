"""What was run on this machine: predicted against actual memory, and measured speed."""
