"""The portal in a real Chromium: stories of people, by mouse, by keyboard, without script, and on small screens."""
