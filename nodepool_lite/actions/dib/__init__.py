"""Running disk-image-create: supervised, so that nothing stays behind, with device-mapper and without."""
