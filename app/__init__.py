"""R9S Organizations."""
