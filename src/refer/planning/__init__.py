"""What a configuration will take, before anything is submitted."""
