"""What DVC keeps: dvc.yaml from a plan, trust in what was pulled, plots that need no network; and times of files."""
