"""Frames with labels: conventions, checks, splits."""
