#!/bin/bash
# Makes a Debian that qemu boots: DIR/disk.img, an ext4 file system, DIR/vmlinuz and DIR/initrd.img.
# It has what a small Debian server has, nothing of Go, and the programs that a test of tlslift
# runs. At each boot it runs /payload/run from a second disk, which the test makes.
# Usage, as root: debian-vm.sh DIR
set -euo pipefail
dir=$1
tree=$dir.tree
rm -rf "$tree" "$dir.new"
trap 'rm -rf "$tree" "$dir.new"' EXIT

debootstrap --variant=minbase \
	--include=systemd,systemd-sysv,libpam-systemd,dbus,udev,init-system-helpers,sudo,iproute2,procps,ca-certificates,openssl,curl,nftables \
	bookworm "$tree"
# No service starts while it is made, and the kernel's initial file system has all drivers.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"
in_tree() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$tree" "$@"
}
in_tree apt-get install -q -y --no-install-recommends initramfs-tools linux-image-cloud-amd64 \
	swaks libnet-ssleay-perl libio-socket-ssl-perl prometheus
in_tree apt-get clean
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{doc,man,locale}/* "$tree/usr/sbin/policy-rc.d"

# What a cloud image gets from its cloud: a name, an administrator, no consoles to log in at.
echo debian >"$tree/etc/hostname"
printf '127.0.0.1 localhost debian\n::1 localhost\n' >"$tree/etc/hosts"
echo '/dev/vda / ext4 defaults 0 1' >"$tree/etc/fstab"
in_tree useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' >"$tree/etc/sudoers.d/admin"
in_tree systemctl disable prometheus.service getty@.service serial-getty@.service apt-daily.timer apt-daily-upgrade.timer
mkdir "$tree/payload" "$tree/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=persistent\n' >"$tree/etc/systemd/journald.conf.d/test.conf"
cat >"$tree/etc/systemd/system/payload.service" <<'END'
[Unit]
Description=What the test runs here
# When the machine has booted.
After=multi-user.target

[Service]
Type=exec
ExecStartPre=/bin/mount -o ro /dev/vdb /payload
ExecStart=/payload/run
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1

[Install]
WantedBy=graphical.target
END
in_tree systemctl enable payload.service
in_tree systemctl set-default graphical.target

mkdir "$dir.new"
cp "$tree"/boot/vmlinuz-* "$dir.new/vmlinuz"
cp "$tree"/boot/initrd.img-* "$dir.new/initrd.img"
rm -rf "${tree:?}"/boot/*
mke2fs -q -t ext4 -L root -d "$tree" "$dir.new/disk.img" 3G
rm -rf "$dir"
mv "$dir.new" "$dir"
