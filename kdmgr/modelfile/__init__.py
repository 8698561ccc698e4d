"""Modelfiles: parse, render, and the chat templates they carry."""
