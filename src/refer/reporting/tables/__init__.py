"""Tables in four faces (CSV, Markdown, LaTeX, HTML): what stands in each, and its footnotes."""
