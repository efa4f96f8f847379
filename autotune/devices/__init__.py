"""Where files are run and measured: by the runner, in a process of its own, or on phones by LiteRT's own tool."""
