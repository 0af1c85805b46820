"""Measures the agent on this machine. Each benchmark is a module with one function that returns rows."""
