"""From scores to tables, figures and the report, without torch and without data."""
