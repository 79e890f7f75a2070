#!/bin/bash
# Makes a Debian machine the router: packages, Node.js, Weir, and the files of rootfs/. Packer runs it in AWS,
# appliance/build-image in a folder; both then run cleanup.sh and validate.sh.
#
#   install.sh PAYLOAD     what appliance/payload has made, unpacked
#
# WEIR_SSM_AGENT_URL: the Debian package of AWS's agent of Systems Manager; without it there is none.
set -euo pipefail
payload=$(realpath "${1:?the folder of the payload}")
export DEBIAN_FRONTEND=noninteractive
compiler='gcc libc6-dev'

apt-get update -q
# In front of an address of its own, a router has no use for Debian's mail and documentation of each package.
# shellcheck disable=SC2086 # the compiler is two packages
apt-get install -yq --no-install-recommends -o Dpkg::Use-Pty=0 \
  nftables ethtool iproute2 tcpdump chrony ca-certificates curl unattended-upgrades \
  systemd-resolved ifupdown- netplan.io- amazon-ec2-net-utils- $compiler

# Node.js as the npm registry has it: the program, and the headers for the addon.
tar -xzf "$payload/node.tgz" --no-same-owner -C /usr/local --strip-components=1 package/bin/node package/include
rm -rf /opt/weir
cp -rT --no-preserve=ownership "$payload/weir" /opt/weir
node /opt/weir/scripts/build-addon.mjs
rm -rf /usr/local/include/node /opt/weir/scripts /opt/weir/src
ln -sf /opt/weir/build/bundle/weir/main.js /usr/local/bin/weir
chmod 755 /opt/weir/build/bundle/weir/main.js

cp -rT --no-preserve=ownership,mode "$payload/rootfs" /
rm -rf /etc/netplan /etc/network/interfaces.d
systemd-sysusers weir.conf
systemd-tmpfiles --create weir.conf
systemctl enable systemd-networkd systemd-resolved nftables chrony unattended-upgrades
systemctl enable weir weir-router weir-fetch weir-config.path

if [ -n "${WEIR_SSM_AGENT_URL:-}" ]; then
  curl -fsSLo /tmp/ssm-agent.deb "$WEIR_SSM_AGENT_URL"
  dpkg -i /tmp/ssm-agent.deb
  rm /tmp/ssm-agent.deb
fi
# Session Manager instead of ssh: `systemctl unmask --now ssh`, and a port in nftables.conf, bring it back.
systemctl mask ssh.service ssh.socket

# shellcheck disable=SC2086
apt-get purge -yq --autoremove -o Dpkg::Use-Pty=0 $compiler
