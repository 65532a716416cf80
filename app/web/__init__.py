"""HTTP windows: the edge, sign-in, pages, health. They parse, call one verb, render."""
