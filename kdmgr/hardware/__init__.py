"""What the machine is: probes of GPUs and host memory, declared machines, the GPU table."""
