# What the scenarios of this folder have in common. Each says by `logs` what its daemons have logged.

export DEBIAN_FRONTEND=noninteractive

fail() { echo "FAILED: $*"; logs || true; exit 1; }

# Tries once in 50 ms, for three minutes at most.
wait_until() {
  tries=3600
  until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "not in three minutes: $*"
    sleep 0.05
  done
}

# What a browser gets.
page() {
  bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET $1 HTTP/1.0\r\nAccept: text/html\r\n\r\n" >&3 && cat <&3' \
    "$1" "$2" 2>/dev/null || true
}
shows() { page "$1" "$2" | grep -q "$3"; }

# Whether somebody listens at each of these ports of UDP.
is_bound() { for port; do grep -q "$(printf ':%04X ' "$port")" /proc/net/udp || return 1; done; }
has_received() {
  received="$(page 9090 /metrics | sed -n 's/^coco_listen_raw_total \([0-9]*\).*/\1/p')"
  [ "${received:-0}" -ge "$1" ]
}

# Sends through Coco to sinks at these ports, until end_load.
begin_load() {
  addresses=
  for port; do addresses="$addresses 127.0.0.1:$port"; done
  # shellcheck disable=SC2086
  cococtl sink $addresses --json --idle 15s >/sink.json &
  sink=$!
  wait_until is_bound "$@"
  cococtl load 127.0.0.1:25826 --hosts 100 --metrics 100 --rate 20000 --duration 10m --json >/load.json &
  load=$!
  wait_until has_received 1000
}

# Says what was sent and what has arrived. Its status is that of the load, which is 1 where datagrams were refused.
end_load() {
  wait_until has_received 1000
  kill "$load"
  refused=0
  wait "$load" || refused=$?
  # What is missing is for the test to say.
  wait "$sink" || true
  echo "load $(cat /load.json)"
  echo "sink $(cat /sink.json)"
  return "$refused"
}
