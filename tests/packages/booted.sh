#!/bin/sh
# A newcomer's Debian, booted with its systemd in a container without a network (tests/tests/packages/): /packages/new
# holds the packages, an agent of Debian's collectd is there. Writes what it has done to /said and ends the container; its
# status is 0 if all was as it should be.
set -eu
exec >/said 2>&1
. /common.sh

logs() { systemctl --no-pager --failed || true; journalctl --no-pager -n 60; }
main_pid() { systemctl show --property=MainPID --value "$1"; }
# What the journal has of a unit says this, as often.
says() { [ "$(journalctl --no-pager -u "$1" -o cat | grep -c -- "$2")" -ge "$3" ]; }

echo "== a newcomer, by docs/install.md"
begun="$(date +%s%N)"
apt-get install --yes --quiet /packages/new/*.deb
systemctl is-active --quiet coco && fail "coco was started" || true
sed -i '/^targets = /s/\[.*\]/["127.0.0.1:25827"]/' /etc/coco/coco.conf
coco --check /etc/coco/coco.conf
systemctl enable --now coco noodle
# Any host that is monitored already.
mkdir -p /etc/collectd/collectd.conf.d
sed 's/coco.example.org/127.0.0.1/' /usr/share/doc/coco/examples/collectd/agent.conf >/etc/collectd/collectd.conf.d/coco.conf
systemctl restart collectd
wait_until shows 9090 '/?name=web1' 'web1[.]example[.]org'
echo "newcomer milliseconds $((($(date +%s%N) - begun) / 1000000))"
shows 9080 / '<title>.*noodle</title>' || fail "noodle shows no page"
systemctl is-enabled --quiet coco noodle || fail "not enabled"
# Nothing listens there yet: what the second datagram meets is said.
wait_until says coco '^target is down ' 1

echo "== sandbox"
for unit in coco noodle; do
  status="/proc/$(main_pid $unit)/status"
  field() { sed -n "s/^$1:[[:space:]]*//p" "$status"; }
  case "$(field Uid)" in 0* | "") fail "$unit runs as root" ;; esac
  [ "$(field CapEff)" = 0000000000000000 ] && [ "$(field CapBnd)" = 0000000000000000 ] || fail "$unit has capabilities"
  [ "$(field NoNewPrivs)" = 1 ] || fail "$unit may get privileges"
  # More than the container has.
  [ "$(field Seccomp_filters)" -gt "$(sed -n 's/^Seccomp_filters:[[:space:]]*//p' /proc/1/status)" ] ||
    fail "$unit may make any system call"
  awk '$5 == "/" && $6 ~ /^ro/ { found = 1 } END { exit !found }' "/proc/$(main_pid $unit)/mountinfo" ||
    fail "$unit may write files"
  [ "$(systemctl show --property=WatchdogUSec --value $unit)" = 30s ] || fail "nobody watches $unit"
  systemctl show --property=StatusText --value $unit | grep -q fingerprint || fail "$unit does not say how it is"
done

echo "== reload"
before="$(main_pid coco)"
sed -i 's|^blacklist = .*|blacklist = "/(irq)/"|' /etc/coco/coco.conf
systemctl reload coco
wait_until says coco '^reloaded .*keys="filter.blacklist"' 1
cp /etc/coco/coco.conf /well
echo "surprise = 1" >>/etc/coco/coco.conf
! systemctl reload coco || fail "a broken configuration was reloaded"
# The journal is written by another process.
wait_until says coco 'surprise' 1
kill -HUP "$before"
wait_until says coco '^SIGHUP: .*surprise' 1
cp /well /etc/coco/coco.conf
systemctl reload coco
[ "$(main_pid coco)" = "$before" ] || fail "coco was started anew"

echo "== an upgrade while systemd holds the socket"
systemctl stop coco
systemctl enable --now coco.socket
systemctl start coco
# On its target's port nothing listened until now.
systemctl stop collectd
begin_load 25827
before="$(main_pid coco)"
apt-get install --yes --quiet --reinstall /packages/new/coco_*.deb
[ "$(main_pid coco)" != "$before" ] || fail "coco is the old one"
end_load || fail "load: $?"

echo "== journal"
systemctl stop coco noodle coco.socket
journalctl --no-pager --sync || true
journalctl --no-pager -o json -u coco -u noodle >/journal.json

echo "== remove"
apt-get remove --yes --quiet coco
[ ! -e /usr/bin/coco ] && [ -e /etc/coco/coco.conf ] || fail "removed too little or too much"
echo "== all is well"
