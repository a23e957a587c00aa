package clientfile

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Entry returns the lines of a client with an address and options, as they are pasted into
// a file below "clients:". Without a name, the client gets one with its address.
func Entry(addr netip.Addr, o Options) string {
	addr = addr.Unmap().WithZone("")
	a := Addition{Name: o.Name, Address: addr}
	a.Name = freeName(a, func(string) bool { return false })
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(a.text(""), "\n"))
	for _, line := range o.lines() {
		b.WriteString("  " + line + "\n")
	}
	return b.String()
}

// lines returns the options that are not the usual ones, as the file has them.
func (o *Options) lines() (all []string) {
	add := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(o.To != (Routes{}), "to: [%s]", o.To)
	add(o.Plaintext == PlaintextAllow, "plaintext: allow")
	add(o.Plaintext == PlaintextRefuse, "plaintext: refuse")
	add(o.RC4 || o.DES, "ciphers: [%s]", chosen(o.RC4, "rc4", o.DES, "des"))
	add(o.DHBits != 0, "dh_bits: %d", o.DHBits)
	add(o.SplitRecords, "split_records: true")
	add(o.RecordSize != 0, "record_size: %d", o.RecordSize)
	add(o.Leaf.CA == CAOld, "ca: old")
	add(o.Leaf.CA == CANew, "ca: new")
	if leaf := o.Leaf.fields(); len(leaf) > 0 {
		add(true, "leaf: {%s}", strings.Join(leaf, ", "))
	}
	return all
}

// fields returns what of a leaf is not the usual, as the file has it.
func (l *Leaf) fields() (all []string) {
	add := func(name, value string) {
		if value != "" {
			all = append(all, name+": "+value)
		}
	}
	add("hash", map[Hash]string{HashSHA1: "sha1", HashSHA256: "sha256"}[l.Hash])
	add("key_type", map[KeyType]string{KeyTypeAuto: "auto", KeyTypeRSA: "rsa", KeyTypeECDSA: "ecdsa"}[l.KeyType])
	if l.Bits != 0 {
		add("bits", strconv.Itoa(l.Bits))
	}
	if l.WithCA {
		add("chain", "leaf+ca")
	}
	if !l.NotBefore.IsZero() {
		add("not_before", l.NotBefore.Format(time.DateOnly))
	}
	return all
}

// chosen joins the names of what is true.
func chosen(a bool, nameA string, b bool, nameB string) string {
	switch {
	case a && b:
		return nameA + ", " + nameB
	case a:
		return nameA
	}
	return nameB
}
