#!/bin/bash
# Two machines with tlslift and keepalived, and a client that connects again and again, each in
# a network namespace of its own. Prints for each event how many connections failed, and for how
# long. Usage: failover.sh TLSLIFT KEEPALIVED_CONF
set -euo pipefail
# tlslift takes what begins so for its settings.
unset "${!TLSLIFT_@}"
tlslift=$(realpath "$1") conf=$(realpath "$2")
work=$(mktemp -d)
chmod 755 "$work"
# Where nobody, who runs keepalived's script, finds it.
install -m 755 "$tlslift" "$work/tlslift"
tlslift=$work/tlslift
cd "$work"
pids=()
finish() {
	kill "${pids[@]}" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT

# The script runs in a network namespace of its own, which is the client's: the names of the
# others are seen in it alone.
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
ip link set lo up
ip link add lan type bridge
ip addr add 10.77.0.10/24 dev lan
ip link set lan up
for n in 2 3; do
	ip netns add "m$n"
	ip link add "v$n" type veth peer name eth0 netns "m$n"
	ip link set "v$n" master lan up
	ip -n "m$n" link set lo up
	ip -n "m$n" addr add "10.77.0.$n/24" dev eth0
	ip -n "m$n" link set eth0 up
done

# The destination.
host=outlook.office365.com
openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -subj /CN=root -days 2 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj "/CN=$host" 2>/dev/null
openssl x509 -req -in leaf.csr -CA root.pem -CAkey root.key -days 1 -out leaf.pem \
	-extfile <(echo "subjectAltName=DNS:$host") 2>/dev/null
openssl s_server -accept 10.77.0.10:8443 -cert leaf.pem -key leaf.key -www -quiet &
pids+=($!)

tlslift_pid=()
serve() { # serve N
	env TLSLIFT_ENV_FILE="$work/m$1.env" ip netns exec "m$1" "$tlslift" serve 2>"m$1.log" &
	tlslift_pid[$1]=$!
	pids+=($!)
}
for n in 2 3; do
	cat >"m$n.env" <<-END
		TLSLIFT_LISTEN=proxy://:3128
		TLSLIFT_CLIENT_NETS=10.77.0.0/24
		TLSLIFT_STATE_DIR=$work/state$n
		TLSLIFT_CONNECT_TO=$host:443=10.77.0.10:8443
		TLSLIFT_UPSTREAM_CA_FILE=$work/root.pem
		TLSLIFT_DRAIN_TIMEOUT=2s
	END
	chmod 644 "m$n.env"
done
serve 2
healthy() { # healthy N waits until tlslift serves
	until ip netns exec "m$1" "$tlslift" healthcheck 2>/dev/null; do
		kill -0 "${tlslift_pid[$1]}" || { cat "m$1.log"; exit 1; }
		sleep 0.1
	done
}
healthy 2
cp -a state2 state3 # the CA and the ticket keys
serve 3

keepalived() { # keepalived N
	local n=$1 other=$((5 - $1))
	sed -e "s#192.168.20.2\$#10.77.0.$n#; s#192.168.20.3\$#10.77.0.$other#; s#192.168.20.1/24#10.77.0.1/24#" \
		-e "s#priority 100#priority $((120 - 10 * n))#; s#/usr/bin/tlslift#$tlslift#; s#/etc/tlslift/tlslift.env#$work/m$n.env#" \
		"$conf" >"k$n.conf"
	ip netns exec "m$n" "$(type -P keepalived)" --dont-fork --log-console --use-file "$work/k$n.conf" --pid "$work/k$n.pid" --vrrp_pid "$work/v$n.pid" \
		>>"k$n.log" 2>&1 &
	pids+=($!)
}
keepalived 2
keepalived 3

once() {
	curl -sS --max-time 2 --tls-max 1.0 --tlsv1.0 --ciphers DEFAULT@SECLEVEL=0 --cacert state2/ca/ca.pem \
		-x http://10.77.0.1:3128 "https://$host/" -o /dev/null 2>>curl.log
}
now() { date +%s%3N; }
for ((i = 0; ; i++)); do
	! once || break
	[[ $i -lt 40 ]] || { tail k2.log m2.log curl.log; exit 1; }
	sleep 0.1
done

# try EVENT runs an event, and connects until two seconds after the last failure.
try() {
	local event=$1 failed=0 good=0 first=0 last=0 longest=0 began before
	before=$(where)
	"$event"
	began=$(now)
	while ((failed == 0 && $(now) - began < 5000 || $(now) - last < 2000)); do
		local at
		at=$(now)
		if once; then
			good=$((good + 1))
			(($(now) - at <= longest)) || longest=$(($(now) - at))
		else
			failed=$((failed + 1))
			((first > 0)) || first=$at
			last=$(now)
		fi
		sleep 0.05
		(($(now) - began < 30000)) || { echo "$event: does not end"; tail k*.log; exit 1; }
	done
	local gap=0
	((failed == 0)) || gap=$((last - first))
	echo "$event: failed $failed, good $good, for $gap ms, the slowest good one $longest ms; address on $before, then on $(where)"
}
where() {
	local n
	for n in 2 3; do
		[[ $(ip -n "m$n" addr show dev eth0) != *" 10.77.0.1/"* ]] || echo -n "m$n"
	done
}

service_stops() { kill -TERM "${tlslift_pid[2]}"; }
service_returns() { serve 2; }
keepalived_stops() { kill -TERM "$(<k3.pid)"; }
keepalived_returns() { keepalived 3; }
# It says nothing any more, and the link is up.
machine_dies() { bridge link set dev v2 state 0; }
echo "at first: address on $(where)"
try service_stops
try service_returns
try keepalived_stops
try keepalived_returns
healthy 2
sleep 3 # the script of keepalived has to see it twice
try machine_dies
[[ -z ${VERBOSE-} ]] || tail -n 40 k*.log m*.log
