package fwrules

// Help is what the command says of itself.
const Help = `Prints the firewall rules that bring connections to Microsoft 365 to the
redirect:// or tproxy:// listener of TLSLIFT_LISTEN: for the networks of
TLSLIFT_CLIENT_NETS, and to the published addresses of TLSLIFT_M365_INSTANCE. It
reads the same settings as serve, prints, and changes nothing.

The output is a script for nft that replaces what an earlier one has loaded, or
with --iptables one for sh. Its comments say what each part is for, how to keep
it over reboots and how to remove it. It needs nftables 0.9.3 and Linux 4.19, or
iptables 1.6.2, or newer ones. Print and load it again when a setting or
Microsoft's list has changed.

With both kinds of listeners the rules lead to the redirect:// one, unless
--tproxy is given. TPROXY also needs routes: --routes prints them. For each of
IPv4 and IPv6, the rules lead to the first listener that accepts it.`

// Example is how the rules are loaded.
const Example = `  TLSLIFT_LISTEN=redirect://:3129 tlslift rules
  tlslift rules --env-file /etc/tlslift/tlslift.env --interface eth1 | nft -f -
  tlslift rules --service exchange --iptables | sh
  TLSLIFT_LISTEN=tproxy://:3130 tlslift rules --routes | sh`
