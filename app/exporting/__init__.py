"""Exports as files: Excel and Parquet, written by a child process, so that nobody who calls models waits for it."""
