#!/bin/sh
# A container engine in namespaces of its own (see engine.py): its mounts and its processes are gone when this one is.
#     unshare --mount --pid --fork --kill-child --mount-proc sh engine.sh WORK PACKAGES CGROUP
set -eu
work=$1 packages=$2 cgroup=$3

# The engine writes below /run whatever it is told. Where resolv.conf is a link into /run, it stays readable.
resolv=$(readlink -f /etc/resolv.conf)
cp "$resolv" "$work/resolv.conf"
mount -n -t tmpfs -o mode=755 tmpfs /run
case $resolv in /run/*) mkdir -p "${resolv%/*}" && cp "$work/resolv.conf" "$resolv" ;; esac

export PATH="$packages/usr/bin:$packages/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
export LD_LIBRARY_PATH="$packages/libraries" TMPDIR="$work/tmp" DOCKER_TMPDIR="$work/tmp"
mkdir -p "$work/tmp"
printf '{"deprecated-key-path": "%s/key.json"}\n' "$work" > "$work/dockerd.json"
cat > "$work/containerd.toml" << EOF
version = 2
root = "$work/containerd"
state = "$work/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$work/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$work/opt"
EOF
containerd --config "$work/containerd.toml" > "$work/containerd.log" 2>&1 &
# No network of its own, no rule in the machine's firewall; nothing that a machine without all capabilities would refuse.
exec dockerd --config-file "$work/dockerd.json" --containerd "$work/containerd.sock" --data-root "$work/data" \
    --exec-root "$work/exec" --pidfile "$work/pid" --host "unix://$work/docker.sock" --cgroup-parent "$cgroup" \
    --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --userland-proxy=false \
    --oom-score-adjust=0 --storage-driver=overlay2 --default-ulimit nofile=1024:20000
