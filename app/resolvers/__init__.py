"""What can be done: verbs, one module per noun. No window touches a table; all come through here."""
