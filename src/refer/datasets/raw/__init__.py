"""Raw data as their owners give them: where they lie, how they come here, and one safe archive of each."""
