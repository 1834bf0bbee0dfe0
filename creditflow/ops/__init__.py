"""Control tables: connections, numbered migrations, and what the warehouse knows about the registry and its nights."""
