#!/bin/bash
# The first process of a stand-in for a node: guest.sh TREE PORT, in mount and process namespaces of its own.
# Lays the files out at the first start, shows them in place of the host's, starts sshd and obeys standard input.

tree=$1 port=$2 mark=
if [ ! -d "$tree/etc" ]; then
  umask 022
  mkdir -p "$tree/etc/ssh/sshd_config.d" "$tree/etc/sudoers.d" "$tree/opt" "$tree/run" "$tree/home" "$tree/root"
  for name in passwd group shadow nsswitch.conf hosts pam.d security sudoers login.defs alternatives ld.so.cache; do
    cp -a "/etc/$name" "$tree/etc/"
  done
  cp -a /etc/pam.conf /etc/environment /etc/selinux /etc/sysconfig "$tree/etc/" 2> /dev/null
  id=2001
  for user in jenkins nosudo; do
    sed -i "/^$user:/d" "$tree/etc/passwd" "$tree/etc/group" "$tree/etc/shadow"
    echo "$user:x:$id:$id::/home/$user:/bin/bash" >> "$tree/etc/passwd"
    echo "$user:x:$id:" >> "$tree/etc/group"
    echo "$user:*:19000:0:99999:7:::" >> "$tree/etc/shadow"
    install -d -m 0755 -o $id -g $id "$tree/home/$user"
    install -d -m 0700 -o $id -g $id "$tree/home/$user/.ssh"
    install -m 0600 -o $id -g $id "$tree.keys/authorized" "$tree/home/$user/.ssh/authorized_keys"
    id=$((id + 1))
  done
  chmod 0700 "$tree/root"
  install -d -m 0700 "$tree/root/.ssh"
  install -m 0600 "$tree.keys/authorized" "$tree/root/.ssh/authorized_keys"
  echo 'jenkins ALL=(ALL) NOPASSWD:ALL' > "$tree/etc/sudoers.d/jenkins"
  chmod 0440 "$tree/etc/sudoers.d/jenkins"
  cp "$tree.keys/sshd_config" "$tree/etc/ssh/sshd_config"
  install -m 0600 "$tree.keys/host_key" "$tree/etc/ssh/ssh_host_ed25519_key"
  chown -R root:root "$tree/etc/ssh"
fi
rm -rf "$tree/run"
mkdir -p "$tree/run/sshd"
mount --bind "$tree.keys/boot_id" /proc/sys/kernel/random/boot_id
for name in etc opt run root home; do mount --bind "$tree/$name" "/$name"; done
/usr/sbin/sshd -D -p "$port" -E /run/sshd.log < /dev/null > /dev/null 2>&1 &
# bash, because it reaps orphans, as an init does
while read -r line; do
  eval "$line" 2>&1 < /dev/null
  echo "$mark $?"
done
