"""Tests of exports as files, as app/exporting is laid out."""
