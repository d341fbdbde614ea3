#!/bin/bash
# PID 1 of a cluster node: containerd, the pod network, and the kubelet once kubeadm has configured it.
set -euo pipefail
mount --make-rshared /
for controller in /sys/fs/cgroup/*/; do
  mkdir -p "${controller}kubelet" 2>/dev/null || true
  if [[ $controller == */cpuset/ ]]; then
    cat "${controller}cpuset.cpus" > "${controller}kubelet/cpuset.cpus"
    cat "${controller}cpuset.mems" > "${controller}kubelet/cpuset.mems"
  fi
done
head -c16 /dev/urandom | od -An -tx1 | tr -d ' \n' > /etc/machine-id
# Pods must not inherit Docker's resolver at 127.0.0.11: in their own network that is themselves (CoreDNS would find a loop).
echo "nameserver $(hostname -I | tr ' ' '\n' | grep -m1 '\.')" > /etc/kubelet-resolv.conf
containerd > /var/log/containerd.log 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.2; done
# kind gives a node 30 s to come up, so a worker imports only what a worker runs.
ctr --namespace k8s.io images import /kind/images/node.tar >/dev/null
[[ $HOSTNAME == *-worker* ]] || ctr --namespace k8s.io images import /kind/images/control-plane.tar >/dev/null
/usr/local/bin/pod-network &
(
  until [[ -s /var/lib/kubelet/config.yaml ]]; do sleep 0.2; done
  control_plane=${HOSTNAME%-worker*}; control_plane=${control_plane%-control-plane}-control-plane
  # Host-network pods (kube-proxy) use that resolver too, so the one name they need is in the hosts file.
  grep -q " $control_plane$" /etc/hosts || echo "$(getent ahostsv4 "$control_plane" | awk 'NR == 1 {print $1}') $control_plane" >> /etc/hosts
  while true; do
    [[ -f /var/lib/kubelet/kubeadm-flags.env ]] && . /var/lib/kubelet/kubeadm-flags.env
    kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf \
      --config=/var/lib/kubelet/config.yaml --runtime-cgroups=/ --kubelet-cgroups=/kubelet ${KUBELET_KUBEADM_ARGS:-} >> /var/log/kubelet.log 2>&1 || true
    sleep 1
  done
) &
echo "Reached target Multi-User System."
trap 'exit 0' TERM INT RTMIN+3
while true; do sleep 3600 & wait $! || true; done
