"""The commands: one file each; arguments, output formats, exit statuses."""
