"""What runs the assets without anybody asking: jobs, schedules, sensors."""
