#!/bin/sh
# Firewall rules that bring connections to Microsoft 365 to tlslift on this
# machine. They were printed by
#   tlslift rules --iptables --local --interface eth1 --service sharepoint --table other
# and are made for
#   listener   redirect://[fd00::1]:3129, for IPv6; IPv4 is not caught
#   clients    TLSLIFT_CLIENT_NETS, coming in through eth1
#   addresses  those of Microsoft 365 (worldwide): the list built into tlslift
# Print and load them again when a setting or Microsoft's list has changed.
# Some of the addresses are shared with other hosts. tlslift refuses connections to
# those hosts, unless the listener has ?unmatched=bypass.
#
# Load     tlslift rules --iptables --local --interface eth1 --service sharepoint --table other | sh
#          It replaces the chains OTHER-* that were loaded before, and changes no
#          other chain except for a jump to them. IPTABLES=iptables-legacy and
#          IP6TABLES=ip6tables-legacy in the environment choose other programs.
# Keep     tlslift rules --iptables --local --interface eth1 --service sharepoint --table other >/etc/tlslift-rules.sh
#          and run that at boot, before or after the other rules.
# Watch    iptables -t nat -vnL OTHER-TO; ip6tables -t nat -vnL OTHER-TO
# Remove   tlslift rules --iptables --local --interface eth1 --service sharepoint --table other | sh -s remove
#
# An input filter must let in what is caught, for instance with
#   iptables -A INPUT -m conntrack --ctstate DNAT -j ACCEPT
#
# Not caught:
# - UDP port 443 (QUIC), which legacy clients do not speak, and TCP port 80.
# - Hosts without published addresses, such as those of content delivery networks.
#   To catch them, add rules to chains that this script creates and never empties:
#     ip6tables -t nat -A OTHER-EXTRA -d 2001:db8::10 -p tcp --dport 587 -j DNAT --to-destination [fd00::1]:3129
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
		unhook "$tool" nat PREROUTING OTHER-IN
		unhook "$tool" nat OUTPUT OTHER-OUT
		unhook "$tool" mangle PREROUTING OTHER-IN
		for table in nat mangle; do
			for verb in -F -X; do
				for name in IN OUT FROM TO HELD EXTRA; do
					"$tool" -w -t "$table" "$verb" "OTHER-$name" 2>/dev/null || true
				done
			done
		done
	done
	exit
fi

# Old kernels and small systems have no table nat for IPv6; on OpenWrt it is in the package
# kmod-ipt-nat6.
if ! "$IP6TABLES" -w -t nat -S PREROUTING >/dev/null 2>&1; then
	echo "IPv6 is not caught: $IP6TABLES has no table nat here" >&2
else
"$IP6TABLES" -w -t nat -N OTHER-EXTRA 2>/dev/null || true
"$IP6TABLES-restore" -w --noflush <<'EOF'
*nat
:OTHER-IN - [0:0]
:OTHER-OUT - [0:0]
:OTHER-FROM - [0:0]
:OTHER-TO - [0:0]
# IN: connections that come in from the network. tlslift's own have the mark.
# Connections to this machine itself are not caught.
-A OTHER-IN -m mark --mark 0x746c -j RETURN
-A OTHER-IN -m addrtype --dst-type LOCAL -j RETURN
-A OTHER-IN -i eth1 -j OTHER-FROM
# OUT: connections of programs on this machine. tlslift sees them come from the
# machine's own addresses. tlslift's own connections have the mark, which needs
# CAP_NET_ADMIN; with TLSLIFT_UPSTREAM_MARK=0x746c it does not start without it.
# If tlslift always runs as a user of its own, this rule can replace the mark:
#   -A OTHER-OUT -m owner --uid-owner tlslift -j RETURN
-A OTHER-OUT -m mark --mark 0x746c -j RETURN
-A OTHER-OUT -m addrtype --dst-type LOCAL -j RETURN
-A OTHER-OUT -j OTHER-FROM
# FROM: clients whose connections are caught: TLSLIFT_CLIENT_NETS without loopback.
# tlslift would refuse the others; so they connect directly.
-A OTHER-FROM -s fc00::/7 -j OTHER-TO
-A OTHER-FROM -s fe80::/10 -j OTHER-TO
# TO: SharePoint, TCP 443: row 31 of Microsoft's list.
-A OTHER-TO -d 2603:1061:1300::/40 -p tcp -m multiport --dports 443 -j DNAT --to-destination [fd00::1]:3129
-A OTHER-TO -d 2603:1063:6000::/35 -p tcp -m multiport --dports 443 -j DNAT --to-destination [fd00::1]:3129
-A OTHER-TO -d 2620:1ec:8f8::/46 -p tcp -m multiport --dports 443 -j DNAT --to-destination [fd00::1]:3129
-A OTHER-TO -d 2620:1ec:908::/46 -p tcp -m multiport --dports 443 -j DNAT --to-destination [fd00::1]:3129
-A OTHER-TO -d 2a01:111:f402::/48 -p tcp -m multiport --dports 443 -j DNAT --to-destination [fd00::1]:3129
-A OTHER-TO -j OTHER-EXTRA
COMMIT
EOF
hook "$IP6TABLES" nat PREROUTING OTHER-IN
hook "$IP6TABLES" nat OUTPUT OTHER-OUT
fi

# What an earlier version of this script may have hooked, and this one does not.
unhook "$IPTABLES" nat PREROUTING OTHER-IN
unhook "$IPTABLES" nat OUTPUT OTHER-OUT
unhook "$IPTABLES" mangle PREROUTING OTHER-IN
unhook "$IP6TABLES" mangle PREROUTING OTHER-IN
