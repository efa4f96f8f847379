"""autotune's runner, driven over any pipe: this machine, ssh, a command."""
