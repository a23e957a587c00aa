#!/bin/sh
# Firewall rules that bring connections to Microsoft 365 to tlslift on this
# machine. They were printed by
#   tlslift rules --iptables --service sharepoint
# and are made for
#   listener   tproxy://:3130, for IPv4 and IPv6
#   clients    TLSLIFT_CLIENT_NETS
#   addresses  those of Microsoft 365 (worldwide): the list built into tlslift
# Print and load them again when a setting or Microsoft's list has changed.
# Some of the addresses are shared with other hosts. tlslift refuses connections to
# those hosts, unless the listener has ?unmatched=bypass.
#
# Load     tlslift rules --iptables --service sharepoint | sh
#          It replaces the chains TLSLIFT-* that were loaded before, and changes no
#          other chain except for a jump to them. IPTABLES=iptables-legacy and
#          IP6TABLES=ip6tables-legacy in the environment choose other programs.
# Keep     tlslift rules --iptables --service sharepoint >/etc/tlslift-rules.sh
#          and run that at boot, before or after the other rules.
# Watch    iptables -t mangle -vnL TLSLIFT-TO; ip6tables -t mangle -vnL TLSLIFT-TO
# Remove   tlslift rules --iptables --service sharepoint | sh -s remove
#
# An input filter must let in what is caught, for instance with
#   iptables -A INPUT -m mark --mark 0x746d -j ACCEPT
#
# TPROXY marks what it catches with 0x746d, and needs a route that brings it to
# this machine. These commands are not kept over reboots;
# tlslift rules --iptables --service sharepoint --routes prints them as a script:
#   ip -4 rule add fwmark 0x746d lookup 29805
#   ip -4 route replace local default dev lo table 29805
#   ip -6 rule add fwmark 0x746d lookup 29805
#   ip -6 route replace local default dev lo table 29805
# When tlslift does not run, what would be caught is dropped.
#
# Not caught:
# - UDP port 443 (QUIC), which legacy clients do not speak, and TCP port 80.
# - Programs on this machine.
# - Hosts without published addresses, such as those of content delivery networks.
#   To catch them, add rules to chains that this script creates and never empties:
#     iptables -t mangle -A TLSLIFT-EXTRA -d 192.0.2.10 -p tcp --dport 587 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
#     ip6tables -t mangle -A TLSLIFT-EXTRA -d 2001:db8::10 -p tcp --dport 587 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
set -e

: "${IPTABLES:=iptables}" "${IP6TABLES:=ip6tables}"

# hook adds a jump to one of our chains where there is none yet. Up to version 1.8.7,
# iptables-nft prints what it looks for.
hook() {
	"$1" -w -t "$2" -C "$3" -p tcp -j "$4" >/dev/null 2>&1 || "$1" -w -t "$2" -I "$3" -p tcp -j "$4"
}

# unhook removes the jump, if it is there.
unhook() {
	while "$1" -w -t "$2" -D "$3" -p tcp -j "$4" 2>/dev/null; do :; done
}

if [ "${1-}" = remove ]; then
	for tool in "$IPTABLES" "$IP6TABLES"; do
		unhook "$tool" nat PREROUTING TLSLIFT-IN
		unhook "$tool" nat OUTPUT TLSLIFT-OUT
		unhook "$tool" mangle PREROUTING TLSLIFT-IN
		for table in nat mangle; do
			for verb in -F -X; do
				for name in IN OUT FROM TO HELD EXTRA; do
					"$tool" -w -t "$table" "$verb" "TLSLIFT-$name" 2>/dev/null || true
				done
			done
		done
	done
	exit
fi

"$IPTABLES" -w -t mangle -N TLSLIFT-EXTRA 2>/dev/null || true
"$IPTABLES-restore" -w --noflush <<'EOF'
*mangle
:TLSLIFT-IN - [0:0]
:TLSLIFT-OUT - [0:0]
:TLSLIFT-FROM - [0:0]
:TLSLIFT-TO - [0:0]
:TLSLIFT-HELD - [0:0]
# IN: connections that come in from the network. tlslift's own have the mark.
# Connections to this machine itself are not caught.
-A TLSLIFT-IN -m mark --mark 0x746c -j RETURN
-A TLSLIFT-IN -m addrtype --dst-type LOCAL -j RETURN
-A TLSLIFT-IN ! -i lo -j TLSLIFT-FROM
# FROM: clients whose connections are caught: TLSLIFT_CLIENT_NETS without loopback.
# tlslift would refuse the others; so they connect directly.
-A TLSLIFT-FROM -s 10.0.0.0/8 -j TLSLIFT-TO
-A TLSLIFT-FROM -s 172.16.0.0/12 -j TLSLIFT-TO
-A TLSLIFT-FROM -s 192.168.0.0/16 -j TLSLIFT-TO
# HELD: connections that tlslift already has.
-A TLSLIFT-HELD -j MARK --set-mark 0x746d
-A TLSLIFT-HELD -j ACCEPT
-A TLSLIFT-TO -p tcp -m socket --transparent -j TLSLIFT-HELD
# TO: SharePoint, TCP 443: row 31 of Microsoft's list.
-A TLSLIFT-TO -d 13.107.136.0/22 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -d 40.108.128.0/17 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -d 52.104.0.0/14 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -d 104.146.128.0/17 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -d 150.171.40.0/22 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -j TLSLIFT-EXTRA
COMMIT
EOF
hook "$IPTABLES" mangle PREROUTING TLSLIFT-IN

# Old kernels and small systems have no table mangle for IPv6.
if ! "$IP6TABLES" -w -t mangle -S PREROUTING >/dev/null 2>&1; then
	echo "IPv6 is not caught: $IP6TABLES has no table mangle here" >&2
else
"$IP6TABLES" -w -t mangle -N TLSLIFT-EXTRA 2>/dev/null || true
"$IP6TABLES-restore" -w --noflush <<'EOF'
*mangle
:TLSLIFT-IN - [0:0]
:TLSLIFT-OUT - [0:0]
:TLSLIFT-FROM - [0:0]
:TLSLIFT-TO - [0:0]
:TLSLIFT-HELD - [0:0]
# IN: connections that come in from the network. tlslift's own have the mark.
# Connections to this machine itself are not caught.
-A TLSLIFT-IN -m mark --mark 0x746c -j RETURN
-A TLSLIFT-IN -m addrtype --dst-type LOCAL -j RETURN
-A TLSLIFT-IN ! -i lo -j TLSLIFT-FROM
# FROM: clients whose connections are caught: TLSLIFT_CLIENT_NETS without loopback.
# tlslift would refuse the others; so they connect directly.
-A TLSLIFT-FROM -s fc00::/7 -j TLSLIFT-TO
-A TLSLIFT-FROM -s fe80::/10 -j TLSLIFT-TO
# HELD: connections that tlslift already has.
-A TLSLIFT-HELD -j MARK --set-mark 0x746d
-A TLSLIFT-HELD -j ACCEPT
-A TLSLIFT-TO -p tcp -m socket --transparent -j TLSLIFT-HELD
# TO: SharePoint, TCP 443: row 31 of Microsoft's list.
-A TLSLIFT-TO -d 2603:1061:1300::/40 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -d 2603:1063:6000::/35 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -d 2620:1ec:8f8::/46 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -d 2620:1ec:908::/46 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -d 2a01:111:f402::/48 -p tcp -m multiport --dports 443 -j TPROXY --on-port 3130 --tproxy-mark 0x746d
-A TLSLIFT-TO -j TLSLIFT-EXTRA
COMMIT
EOF
hook "$IP6TABLES" mangle PREROUTING TLSLIFT-IN
fi

# What an earlier version of this script may have hooked, and this one does not.
unhook "$IPTABLES" nat PREROUTING TLSLIFT-IN
unhook "$IPTABLES" nat OUTPUT TLSLIFT-OUT
unhook "$IP6TABLES" nat PREROUTING TLSLIFT-IN
unhook "$IP6TABLES" nat OUTPUT TLSLIFT-OUT
