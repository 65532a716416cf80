"""The style sheet of the sandbox's pages."""

STYLE_SHEET = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 640px; margin: 0 auto; padding: 24px 16px; overflow-wrap: anywhere; }
.banner { padding: 8px 12px; border: 1px solid; border-radius: 8px; }
label { display: block; margin: 12px 0 4px; }
input:not([type=checkbox]) { width: 100%; box-sizing: border-box; padding: 10px; font: inherit; }
button { padding: 10px 16px; margin: 8px 8px 0 0; font: inherit; min-height: 44px; }
pre { white-space: pre-wrap; font: inherit; }
li { margin: 8px 0; }
"""
