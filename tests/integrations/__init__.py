"""Tests of app/integrations."""
