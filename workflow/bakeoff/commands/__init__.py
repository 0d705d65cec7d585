"""What people call around the steps, one file a command or two. Each imports what it needs when it runs."""
