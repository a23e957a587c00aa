#!/bin/sh
# Routes that bring what TPROXY rules have marked with 0x746d to this machine.
# They may be set again at any time, and are gone after a reboot. Remove them with
#   ip -4 rule del fwmark 0x746d; ip -4 route flush table 29805
#   ip -6 rule del fwmark 0x746d; ip -6 route flush table 29805
set -e
while ip -4 rule del fwmark 0x746d lookup 29805 2>/dev/null; do :; done
ip -4 rule add fwmark 0x746d lookup 29805
ip -4 route replace local default dev lo table 29805
while ip -6 rule del fwmark 0x746d lookup 29805 2>/dev/null; do :; done
ip -6 rule add fwmark 0x746d lookup 29805
ip -6 route replace local default dev lo table 29805
