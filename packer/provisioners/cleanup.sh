#!/bin/bash
# Takes away what is this machine's alone, and must not be in an image: keys, histories, IDs, state, logs.
# validate.sh then proves that it is gone.
#
#   cleanup.sh PAYLOAD
set -euo pipefail
rm -rf "${1:?the folder of the payload}"

rm -f /etc/ssh/ssh_host_*
rm -rf /root/.ssh /home/*/.ssh
rm -f /root/.*_history /home/*/.*_history /root/.lesshst /home/*/.lesshst /root/.wget-hsts

# Empty, not away: systemd then makes a new one at the first boot.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
rm -rf /var/lib/cloud /var/log/cloud-init*.log /run/cloud-init
rm -rf /var/lib/amazon/ssm /var/lib/chrony/* /var/lib/systemd/network
rm -rf /var/lib/weir /var/lib/weir-router

rm -rf /var/log/journal/* /var/log/apt /var/log/unattended-upgrades
find /var/log -type f -delete
rm -rf /var/cache/apt/*.bin /var/lib/apt/lists/* /tmp/* /var/tmp/*
apt-get clean
