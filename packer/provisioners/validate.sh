#!/bin/bash
# Proves the image before it is made, and leaves nothing behind. Tells every fault, and ends with 1 if there was one.
set -uo pipefail
faults=0
fault() {
  echo "FAULT: $*" >&2
  faults=$((faults + 1))
}
gone() { # what must not be there, by name
  local path
  for path in "$@"; do [ ! -e "$path" ] || fault "$path is still there"; done
}
booted() { [ -d /run/systemd/system ]; }

# Versions.
for command in 'node --version' 'weir --version' 'nft --version' 'ip -V' 'ethtool --version' 'chronyd --version'; do
  if version=$($command 2>&1); then echo "$command: ${version%%$'\n'*}"; else fault "$command: $version"; fi
done
node -e 'process.exit(process.versions.node.split(".")[0] >= 22 ? 0 : 1)' || fault 'Node.js is older than 22'

# Units and users.
units='weir weir-router weir-fetch weir-config.path nftables chrony unattended-upgrades systemd-networkd systemd-resolved'
for unit in $units; do
  [ "$(systemctl is-enabled "$unit" 2>&1)" = enabled ] || fault "$unit is not enabled"
done
[ "$(systemctl is-enabled ssh.service 2>&1)" = masked ] || fault 'ssh is not masked'
output=$(systemd-analyze verify weir.service weir-router.service weir-fetch.service weir-config.path 2>&1) || fault "units: $output"
for user in weir weir-router; do id "$user" >/dev/null || fault "there is no user $user"; done

# The kernel's settings: each can be made. (A container has not all of them, and may not write all.)
while IFS='=' read -r name value; do
  if ! answer=$(sysctl -qw "$name=$value" 2>&1) && { booted || [[ $name == net.ipv?.conf.* ]]; }; then
    fault "sysctl $name: $answer"
  fi
done < <(sed -n 's/^\([a-z][^ ]*\) *= */\1=/p' /etc/sysctl.d/90-weir.conf)
nft -c -f /etc/nftables.conf || fault 'nftables.conf has mistakes'

# Weir, as its unit starts it.
for module in plain-packets plain-lines encode encode-shared; do
  test -s "/opt/weir/build/wasm/$module.wasm" || fault "$module.wasm is not there"
done
weir config check /etc/weir/weir.yaml || fault 'weir.yaml has mistakes'
rights='--inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw --bounding-set=-all,+net_raw --no-new-privs'
# shellcheck disable=SC2086 # options, one a word
setpriv --reuid=weir --regid=weir --clear-groups $rights weir doctor || fault 'weir doctor is not content'

# What is one machine's alone.
[ -s /etc/machine-id ] && fault '/etc/machine-id is not empty'
gone /var/lib/dbus/machine-id /var/lib/systemd/random-seed /etc/ssh/ssh_host_* /root/.ssh /home/*/.ssh
gone /root/.*_history /home/*/.*_history /var/lib/cloud/instance /var/log/cloud-init*.log /var/lib/amazon/ssm
gone /var/lib/weir/* /tmp/payload /opt/payload /usr/bin/gcc
if accounts=$(awk -F: '$2 ~ /^\$/ { print $1 }' /etc/shadow) && [ -n "$accounts" ]; then
  fault "accounts with a password: $accounts"
fi

echo "validate: $faults faults"
[ "$faults" -eq 0 ]
