"""Recorded scores as Parquet files by hour: rows -> files -> compaction, and back to events."""
