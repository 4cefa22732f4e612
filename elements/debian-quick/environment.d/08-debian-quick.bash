# Read before the defaults of the bootloader element.
export DIB_GRUB_TIMEOUT=${DIB_GRUB_TIMEOUT:-0}
export DIB_GRUB_TIMEOUT_STYLE=${DIB_GRUB_TIMEOUT_STYLE:-hidden}
export DIB_BOOTLOADER_SERIAL_CONSOLE=${DIB_BOOTLOADER_SERIAL_CONSOLE:-ttyS0,115200}
export DIB_BOOTLOADER_VIRTUAL_TERMINAL=${DIB_BOOTLOADER_VIRTUAL_TERMINAL-}
# A pristine image needs no check of its file system; a message less is time less on an emulated serial line; and who is
# on a test node is root there anyway, so the mitigations between processes only cost.
export DIB_BOOTLOADER_DEFAULT_CMDLINE=${DIB_BOOTLOADER_DEFAULT_CMDLINE:-"quiet loglevel=4 fsck.mode=skip mitigations=off"}
export DIB_DEBIAN_QUICK_KERNEL=${DIB_DEBIAN_QUICK_KERNEL:-cloud}
export DIB_DEBIAN_QUICK_SESSIONS=${DIB_DEBIAN_QUICK_SESSIONS:-0}
