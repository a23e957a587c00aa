#!/bin/sh
# Firewall rules that bring connections to Microsoft 365 to tlslift on this
# machine. They were printed by
#   tlslift rules --iptables
# and are made for
#   listener   redirect://:3129, for IPv4 and IPv6
#   clients    TLSLIFT_CLIENT_NETS
#   addresses  those of Microsoft 365 (worldwide): the list built into tlslift
# Print and load them again when a setting or Microsoft's list has changed.
# Some of the addresses are shared with other hosts. tlslift refuses connections to
# those hosts, unless the listener has ?unmatched=bypass.
#
# Load     tlslift rules --iptables | sh
#          It replaces the chains TLSLIFT-* that were loaded before, and changes no
#          other chain except for a jump to them. IPTABLES=iptables-legacy and
#          IP6TABLES=ip6tables-legacy in the environment choose other programs.
# Keep     tlslift rules --iptables >/etc/tlslift-rules.sh
#          and run that at boot, before or after the other rules.
# Watch    iptables -t nat -vnL TLSLIFT-TO; ip6tables -t nat -vnL TLSLIFT-TO
# Remove   tlslift rules --iptables | sh -s remove
#
# An input filter must let in what is caught, for instance with
#   iptables -A INPUT -m conntrack --ctstate DNAT -j ACCEPT
#
# Not caught:
# - UDP port 443 (QUIC), which legacy clients do not speak, and TCP port 80.
# - Programs on this machine; see --local.
# - Hosts without published addresses, such as those of content delivery networks.
#   To catch them, add rules to chains that this script creates and never empties:
#     iptables -t nat -A TLSLIFT-EXTRA -d 192.0.2.10 -p tcp --dport 587 -j REDIRECT --to-ports 3129
#     ip6tables -t nat -A TLSLIFT-EXTRA -d 2001:db8::10 -p tcp --dport 587 -j REDIRECT --to-ports 3129
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

"$IPTABLES" -w -t nat -N TLSLIFT-EXTRA 2>/dev/null || true
"$IPTABLES-restore" -w --noflush <<'EOF'
*nat
:TLSLIFT-IN - [0:0]
:TLSLIFT-OUT - [0:0]
:TLSLIFT-FROM - [0:0]
:TLSLIFT-TO - [0:0]
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
# TO: Exchange, TCP 25: row 10 of Microsoft's list.
-A TLSLIFT-TO -d 40.92.0.0/15 -p tcp -m multiport --dports 25 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 40.107.0.0/16 -p tcp -m multiport --dports 25 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 52.100.0.0/14 -p tcp -m multiport --dports 25 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 104.47.0.0/17 -p tcp -m multiport --dports 25 -j REDIRECT --to-ports 3129
# TO: Exchange, TCP 143, 587, 993, 995: row 2 of Microsoft's list.
-A TLSLIFT-TO -d 13.107.6.152/31 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 13.107.18.10/31 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 13.107.128.0/22 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 23.103.160.0/20 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 40.96.0.0/13 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 40.104.0.0/15 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 52.96.0.0/14 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 131.253.33.215/32 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 132.245.0.0/16 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 150.171.32.0/22 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 204.79.197.215/32 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
# TO: Exchange, TCP 443: row 1, row 9 of Microsoft's list.
-A TLSLIFT-TO -d 13.107.6.152/31 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 13.107.18.10/31 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 13.107.128.0/22 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 23.103.160.0/20 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 40.92.0.0/15 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 40.96.0.0/13 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 40.104.0.0/15 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 40.107.0.0/16 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 52.96.0.0/13 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 52.238.78.88/32 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 104.47.0.0/17 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 131.253.33.215/32 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 132.245.0.0/16 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 150.171.32.0/22 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 204.79.197.215/32 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
# TO: SharePoint, TCP 443: row 31 of Microsoft's list.
-A TLSLIFT-TO -d 13.107.136.0/22 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 40.108.128.0/17 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 52.104.0.0/14 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 104.146.128.0/17 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 150.171.40.0/22 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
# TO: Skype, TCP 443: row 12 of Microsoft's list.
-A TLSLIFT-TO -d 52.112.0.0/14 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 52.122.0.0/15 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
# TO: Common, TCP 443: row 46, row 56, row 64 of Microsoft's list.
-A TLSLIFT-TO -d 13.107.6.171/32 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 13.107.6.192/32 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 13.107.9.192/32 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 13.107.18.15/32 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 13.107.140.6/32 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 20.20.32.0/19 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 20.190.128.0/18 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 20.231.128.0/19 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 40.126.0.0/18 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 52.108.0.0/14 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 52.244.37.168/32 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -j TLSLIFT-EXTRA
COMMIT
EOF
hook "$IPTABLES" nat PREROUTING TLSLIFT-IN

# Old kernels and small systems have no table nat for IPv6; on OpenWrt it is in the package
# kmod-ipt-nat6.
if ! "$IP6TABLES" -w -t nat -S PREROUTING >/dev/null 2>&1; then
	echo "IPv6 is not caught: $IP6TABLES has no table nat here" >&2
else
"$IP6TABLES" -w -t nat -N TLSLIFT-EXTRA 2>/dev/null || true
"$IP6TABLES-restore" -w --noflush <<'EOF'
*nat
:TLSLIFT-IN - [0:0]
:TLSLIFT-OUT - [0:0]
:TLSLIFT-FROM - [0:0]
:TLSLIFT-TO - [0:0]
# IN: connections that come in from the network. tlslift's own have the mark.
# Connections to this machine itself are not caught.
-A TLSLIFT-IN -m mark --mark 0x746c -j RETURN
-A TLSLIFT-IN -m addrtype --dst-type LOCAL -j RETURN
-A TLSLIFT-IN ! -i lo -j TLSLIFT-FROM
# FROM: clients whose connections are caught: TLSLIFT_CLIENT_NETS without loopback.
# tlslift would refuse the others; so they connect directly.
-A TLSLIFT-FROM -s fc00::/7 -j TLSLIFT-TO
-A TLSLIFT-FROM -s fe80::/10 -j TLSLIFT-TO
# TO: Exchange, TCP 25: row 10 of Microsoft's list.
-A TLSLIFT-TO -d 2a01:111:f400::/48 -p tcp -m multiport --dports 25 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2a01:111:f403::/48 -p tcp -m multiport --dports 25 -j REDIRECT --to-ports 3129
# TO: Exchange, TCP 143, 587, 993, 995: row 2 of Microsoft's list.
-A TLSLIFT-TO -d 2603:1006::/40 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1016::/36 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1026::/36 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1036::/36 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1046::/36 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1056::/36 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:4::152/127 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:c::10/127 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:d::10/127 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:8f0::/46 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:900::/46 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:a92::152/127 -p tcp -m multiport --dports 143,587,993,995 -j REDIRECT --to-ports 3129
# TO: Exchange, TCP 443: row 1, row 9 of Microsoft's list.
-A TLSLIFT-TO -d 2603:1006::/40 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1016::/36 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1026::/36 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1036::/36 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1046::/36 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1056::/36 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:4::152/127 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:c::10/127 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:d::10/127 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:8f0::/46 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:900::/46 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:a92::152/127 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2a01:111:f400::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2a01:111:f403::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
# TO: SharePoint, TCP 443: row 31 of Microsoft's list.
-A TLSLIFT-TO -d 2603:1061:1300::/40 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1063:6000::/35 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:8f8::/46 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:908::/46 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2a01:111:f402::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
# TO: Skype, TCP 443: row 12 of Microsoft's list.
-A TLSLIFT-TO -d 2603:1027::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1037::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1047::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1057::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1063::/38 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:6::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:40::/42 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
# TO: Common, TCP 443: row 46, row 56, row 64 of Microsoft's list.
-A TLSLIFT-TO -d 2603:1006:1400::/40 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1006:2000::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1007:200::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1016:1400::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1016:2400::/40 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1017::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1026:2400::/40 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1026:3000::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1027:1::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1036:2400::/40 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1036:3000::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1037:1::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1046:1400::/40 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1046:2000::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1047:1::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1056:1400::/40 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1056:2000::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1057:2::/48 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2603:1063:2000::/38 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:4::192/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:c::15/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:8fc::6/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:a92::171/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2620:1ec:a92::192/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2a01:111:f100:2000::a83e:3019/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2a01:111:f100:2002::8975:2d79/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2a01:111:f100:2002::8975:2da8/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2a01:111:f100:7000::6fdd:6cd5/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -d 2a01:111:f100:a004::bfeb:88cf/128 -p tcp -m multiport --dports 443 -j REDIRECT --to-ports 3129
-A TLSLIFT-TO -j TLSLIFT-EXTRA
COMMIT
EOF
hook "$IP6TABLES" nat PREROUTING TLSLIFT-IN
fi

# What an earlier version of this script may have hooked, and this one does not.
unhook "$IPTABLES" nat OUTPUT TLSLIFT-OUT
unhook "$IPTABLES" mangle PREROUTING TLSLIFT-IN
unhook "$IP6TABLES" nat OUTPUT TLSLIFT-OUT
unhook "$IP6TABLES" mangle PREROUTING TLSLIFT-IN
