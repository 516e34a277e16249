"""What starts tasks: the embedded engine with its supervisor and child processes, and the inline one."""
