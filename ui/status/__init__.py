"""The status bar of every page: what trains and waits, the machine, notices."""
