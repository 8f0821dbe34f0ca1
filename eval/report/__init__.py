"""Evaluations to read: tables, the HTML page, drawn images."""
