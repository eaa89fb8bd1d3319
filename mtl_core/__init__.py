"""Train several vision tasks in one network and see what happens. Works from Python, the command line and the dashboard."""
