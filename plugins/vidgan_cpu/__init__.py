"""What makes torch fast and right on CPUs."""
