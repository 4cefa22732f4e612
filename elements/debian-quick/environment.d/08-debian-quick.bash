# Read before the defaults of the bootloader element.
export DIB_GRUB_TIMEOUT=${DIB_GRUB_TIMEOUT:-0}
export DIB_GRUB_TIMEOUT_STYLE=${DIB_GRUB_TIMEOUT_STYLE:-hidden}
export DIB_BOOTLOADER_SERIAL_CONSOLE=${DIB_BOOTLOADER_SERIAL_CONSOLE:-ttyS0,115200}
# A pristine image needs no check of its file system, and a message less is time less on an emulated serial line.
export DIB_BOOTLOADER_DEFAULT_CMDLINE=${DIB_BOOTLOADER_DEFAULT_CMDLINE:-"quiet loglevel=4 fsck.mode=skip nofb nomodeset"}
