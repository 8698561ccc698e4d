"""The use cases. Both front ends call these and nothing below them."""
