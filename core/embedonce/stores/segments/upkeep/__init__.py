"""Merging, erasing and inspecting."""
