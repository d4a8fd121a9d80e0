"""What a command does with its terminal: progress bars and stop signals."""
