# Makes a node of its own network and mount namespaces, then holds them open. $1: the node's folder.
# Nothing that is mounted here is seen outside, and all of it goes with the last process in here.
set -e
# The kubelet, containerd, its shims and iptables have fixed paths in these: each node gets its own.
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/lock
mount --bind "$1/lib" /var/lib
mount --bind "$1/log" /var/log
# The kubelet insists on these settings; the machine's own stay as they are.
for setting in vm/overcommit_memory kernel/panic kernel/panic_on_oops; do
	mount --bind "$1/sysctl/${setting#*/}" "/proc/sys/$setting"
done
echo 1 >/proc/sys/net/ipv4/ip_forward
# A Service's answer must pass the node's NAT also between two pods on one bridge.
[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
mount --make-rshared /
exec sleep infinity
