"""Makes code from proto files and SQL files; see scripts/generate."""
