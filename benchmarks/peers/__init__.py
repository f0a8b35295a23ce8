"""What a user would pick instead: one small class for each."""
