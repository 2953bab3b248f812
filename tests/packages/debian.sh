#!/bin/sh
# What becomes of a Debian on which Coco is installed, upgraded while it runs, removed and purged. Runs as its first
# process, in a root of its own without a network (tests/tests/packages/): /packages/old and /packages/new hold the
# packages of two versions. Writes what it has done; ends with 1 at the first thing that is not as it should be.
set -eu
exec 2>&1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
. /common.sh

logs() { tail -n 20 /var/log/coco.log /var/log/noodle.log 2>/dev/null; }
there() { for file; do [ -e "$file" ] || fail "$file is not there"; done; }
gone() { for file; do [ ! -e "$file" ] || fail "$file is still there"; done; }
runs() { [ -e "/run/$1.pid" ] && [ -d "/proc/$(cat "/run/$1.pid")" ]; }

# Does for units what systemd does, which is not here: starts what the unit says, stops it by SIGTERM.
mkdir -p /run/systemd/system
cat >/usr/local/bin/deb-systemd-invoke <<'EOF'
#!/bin/sh
verb="$1"
shift
for unit; do
  program="${unit%.service}"
  file="/run/$program.pid"
  if [ "$verb" != start ]; then
    [ -e "$file" ] || continue
    kill "$(cat "$file")"
    while [ -d "/proc/$(cat "$file")" ]; do sleep 0.01; done
    rm "$file"
    [ "$verb" = try-restart ] || continue
  fi
  setsid $(sed -n 's/^ExecStart=//p' "/usr/lib/systemd/system/$unit") >>"/var/log/$program.log" 2>&1 </dev/null &
  echo $! >"$file"
done
EOF
printf '#!/bin/sh\nexit 0\n' >/usr/local/bin/systemctl
chmod 755 /usr/local/bin/deb-systemd-invoke /usr/local/bin/systemctl
start() { deb-systemd-invoke start "$1.service"; }
ready() { [ "$(grep -c 'ready fingerprint=' "/var/log/$1.log")" -ge "$2" ]; }

find / -xdev -not -path '/proc/*' -not -path '/packages/*' | sort >/before

echo "== install"
dpkg -i /packages/old/*.deb
gone /run/coco.pid /run/noodle.pid
there /usr/share/man/man8/coco.8.gz /usr/share/man/man5/coco.conf.5.gz /usr/lib/sysctl.d/50-coco.conf \
  /usr/share/bash-completion/completions/cococtl /usr/lib/nagios/plugins/anomalous_coco_send
coco --check /etc/coco/coco.conf >/dev/null
noodle --check /etc/coco/coco.conf >/dev/null

echo "== what is the operator's"
sed -i 's|^#recovery = .*|recovery = "20s"|' /etc/coco/coco.conf
echo "# ours" >>/etc/coco/coco.conf
echo "coco: secret" >/etc/coco/users
echo "# by hand" >/etc/coco.conf
mkdir -p /etc/systemd/system/coco.service.d /etc/systemd/system/multi-user.target.wants
echo "[Service]" >/etc/systemd/system/coco.service.d/ours.conf
ln -s /usr/lib/systemd/system/coco.service /etc/systemd/system/multi-user.target.wants/coco.service
cp /etc/coco/coco.conf /ours
start coco
start noodle
wait_until ready coco 1
wait_until ready noodle 1
shows 9090 / '<title>.*coco</title>' || fail "coco shows no page"
shows 9080 / '<title>.*noodle</title>' || fail "noodle shows no page"

echo "== upgrade under load"
begin_load 25827 25828 25829 25830
dpkg --force-confold -i /packages/new/*.deb
there /etc/coco/coco.conf.dpkg-dist
cmp /ours /etc/coco/coco.conf || fail "the configuration has changed"
wait_until ready coco 2
wait_until ready noodle 2
for program in coco noodle; do
  [ "$(readlink "/proc/$(cat /run/$program.pid)/exe")" = "/usr/bin/$program" ] || fail "$program is the old one"
done
# Where nobody listens for a moment, some are refused.
end_load || true
grep "stopped" /var/log/coco.log | sed 's/^/log /'

echo "== an upgrade to which the configuration is wrong goes on as before"
before="$(cat /run/coco.pid)"
cp /etc/coco/coco.conf /well
echo "surprise = 1" >>/etc/coco/coco.conf
dpkg --force-confold -i /packages/new/coco_*.deb 2>&1 | tee /said
grep -q "does not take /etc/coco/coco.conf" /said || fail "nothing is said"
[ "$(cat /run/coco.pid)" = "$before" ] && runs coco || fail "coco was touched"
cp /well /etc/coco/coco.conf

echo "== remove"
dpkg --remove coco cococtl coco-checks
! runs coco && ! runs noodle || fail "something still runs"
gone /usr/bin/coco /usr/bin/noodle /usr/lib/systemd/system/coco.service
cmp /ours /etc/coco/coco.conf || fail "the configuration is lost"

echo "== purge"
dpkg --purge coco cococtl coco-checks
there /etc/coco/users /etc/coco.conf /etc/systemd/system/coco.service.d/ours.conf
gone /etc/coco/coco.conf /etc/coco/coco.conf.dpkg-dist /etc/systemd/system/multi-user.target.wants/coco.service

# Nothing is left but that, and what dpkg and this have written.
find / -xdev -not -path '/proc/*' -not -path '/packages/*' | sort >/after
comm -13 /before /after | grep -vE '^/(before|after|ours|well|said|load\.json|sink\.json|etc/coco(/users|\.conf)?)$' |
  grep -vE '^/etc/systemd/system/(coco\.service\.d(/ours\.conf)?|multi-user\.target\.wants)$' |
  grep -vE '^/(var/log/(coco|noodle|dpkg)\.log|var/lib/dpkg/|var/cache/|var/lib/systemd|tmp/)' >/left || true
[ ! -s /left ] || fail "left: $(cat /left)"
comm -23 /before /after >/lost
[ ! -s /lost ] || fail "lost: $(cat /lost)"
echo "== all is well"
