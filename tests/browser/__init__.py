"""What cloudlink writes for a browser, judged by one."""
