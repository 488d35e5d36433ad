"""Commands that change a host, and commands that look like it."""

import pytest

from runbooks.document.host_changes import host_changes

CHANGING = r"""
echo 1 > /proc/sys/vm/drop_caches
echo 3 >/proc/sys/vm/drop_caches
sync; echo 2 | tee /proc/sys/vm/drop_caches
echo 1 | sudo tee -a /sys/fs/cgroup/cgroup.subtree_control
printf '+cpu' >> /sys/fs/cgroup/cgroup.subtree_control
sysctl -w vm.drop_caches=1
sudo sysctl net.ipv4.ip_forward=1
sysctl --system
sysctl -p
iptables -A INPUT -j DROP
iptables -t nat -D KUBE-SERVICES 1
iptables-legacy -F
ip6tables --flush
iptables-restore < rules
nft add rule ip filter input drop
nft -f rules.nft
kill 1234
kill -9 1234
kill $(pidof x)
pkill -f kubelet
killall -HUP nginx
systemctl restart kubelet
systemctl --now enable foo
systemctl stop docker.service
systemctl set-property foo.slice CPUQuota=20%
systemctl daemon-reload
service nginx reload
ip route add default via 10.0.0.1
ip -6 addr del fd00::1/64 dev eth0
ip link set tunl0 up
ip neigh flush dev eth0
conntrack -D -p udp
ss -K dst 10.0.0.1
rm -rf /var/lib/x
mv /etc/cni/net.d/a.conf /tmp
dd if=/dev/zero of=x
chmod -R 777 /x
mkdir /sys/fs/cgroup/a
sed -i s/a/b/ file
apt-get -y install nginx
yum update kernel
rpm -e foo
grubby --update-kernel=ALL --args=x
grub2-mkconfig -o /boot/grub2/grub.cfg
modprobe ipip
mount -t cgroup2 none /sys/fs/cgroup
umount /mnt
reboot
sudo shutdown -r now
kubectl -n kube-system rollout restart ds/calico-node
kubectl delete pod x
kubectl exec x -- ls
docker run --rm x
docker system prune
crictl rmi x
ethtool -G eth0 rx 4096
ethtool --set-ring eth0
""".strip().splitlines()

READING = r"""
cat /proc/sys/vm/drop_caches
cat /proc/cgroups > /tmp/x
cat /proc/cgroups 2>/dev/null
sysctl net.ipv4.ip_forward
sysctl -n vm.swappiness
iptables-save -c
iptables-legacy-save
nft list ruleset
nft -j list ruleset
systemctl status kubelet
systemctl show kubelet -p TasksMax
systemctl is-enabled nginx
service nginx status
ip route show table all
ip -s link show eth0
ip route get 10.0.0.1
ip addr
conntrack -L
conntrack -S
ss -tin state established
kill -l
kill -0 1
rpm -qa
rpm -q --changelog kernel
apt-cache policy nginx
mount | grep cgroup
findmnt /sys/fs/cgroup
kubectl get pods -A
kubectl describe node x
docker ps
docker inspect x
crictl ps
ethtool -S eth0
ethtool -k eth0
ethtool eth0
# echo 1 > /proc/sys/vm/drop_caches
sed -n 1,3p file
ls -l /sys/fs/cgroup
the mount point is read only
raise the limit, then restart the pod
uname -r
""".strip().splitlines()


@pytest.mark.parametrize("line", CHANGING)
def test_it_sees_a_change(line):
    assert len(host_changes(line)) == 1


@pytest.mark.parametrize("line", READING)
def test_it_lets_reading_pass(line):
    assert host_changes(line) == []


def test_it_names_line_and_column():
    (change,) = host_changes("uname -r\nsudo systemctl restart kubelet")
    assert (change.line, change.column) == (1, 5)
