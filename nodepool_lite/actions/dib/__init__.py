"""Running disk-image-create: supervised, so that nothing of it stays behind, whether or not the host has device-mapper."""
