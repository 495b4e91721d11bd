"""The services of a deployment as child processes: one code server, the web process, the daemon."""
