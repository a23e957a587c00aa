package clienthello

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// randomLen is the size of the client's random.
const randomLen = 32

// maxServerName is the longest host name there can be (RFC 1035 section
// 2.3.4).
const maxServerName = 255

// fields takes a message apart from its front. Once something is asked for
// that is not there, it is short and empty for good, so that one question at
// the end is enough.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.rest) {
		f.rest, f.short = nil, true
		return nil
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

func (f *fields) uint8() int {
	if b := f.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (f *fields) uint16() uint16 {
	if b := f.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// vector8 takes bytes that follow their number in one byte.
func (f *fields) vector8() []byte { return f.take(f.uint8()) }

// vector16 takes bytes that follow their number in two bytes.
func (f *fields) vector16() []byte { return f.take(int(f.uint16())) }

// done reports whether all that was asked for was there, and nothing else is.
func (f *fields) done() bool { return !f.short && len(f.rest) == 0 }

// parse reads the body of the handshake message (RFC 8446 section 4.1.2; since
// SSL 3.0 only extensions were added).
func parse(body []byte, length int, recordVersion uint16) (*Hello, error) {
	f := fields{rest: body}
	h := &Hello{Format: Record, Length: length, RecordVersion: recordVersion, Version: f.uint16()}
	f.take(randomLen)
	sessionID := f.vector8()
	suites := f.vector16()
	h.CompressionMethods = bytes.Clone(f.vector8())
	var extensions []byte
	if len(f.rest) > 0 {
		extensions = f.vector16()
	}
	if !f.done() {
		return nil, malformed("its fields do not fill it")
	}
	if h.Version < versionSSL30 {
		return nil, badVersion("a version from before SSL 3.0 in a TLS record")
	}
	var ok bool
	if h.CipherSuites, ok = uint16s(suites); !ok {
		return nil, malformed("half a cipher suite")
	}
	if err := h.parseExtensions(extensions); err != nil {
		return nil, err
	}
	h.hasSessionID = len(sessionID) > 0
	h.key, h.size = keyOf(body, recordVersion), len(body)
	return h, nil
}

func (h *Hello) parseExtensions(block []byte) error {
	f := fields{rest: block}
	var seen [extCertSignatures + 1]bool // those that are read
	for len(f.rest) > 0 {
		t, data := f.uint16(), f.vector16()
		if f.short {
			return malformed("an extension that ends outside of it")
		}
		if isGREASE(t) {
			continue
		}
		if int(t) < len(seen) {
			if err := h.parseExtension(t, data, seen[t]); err != nil {
				return err
			}
			seen[t] = true
		}
		h.hasTicket = h.hasTicket || t == extPreSharedKey || t == extSessionTicket && len(data) > 0
		h.Extensions = append(h.Extensions, t)
	}
	return nil
}

// parseExtension reads those extensions that a Hello has a field for, and lets
// all others be. Again means that one of this type has come before.
func (h *Hello) parseExtension(t uint16, data []byte, again bool) error {
	f := fields{rest: data}
	ok := true
	switch t {
	case extServerName:
		h.ServerName = ""
		if !again {
			h.ServerName = serverName(data)
		}
		return nil
	case extGroups:
		h.Groups, ok = uint16s(f.vector16())
	case extPointFormats:
		h.PointFormats = bytes.Clone(f.vector8())
	case extSignatureAlgorithms:
		h.SignatureAlgorithms, _ = uint16s(f.vector16()) // without effect below TLS 1.2, whatever is in it
	case extCertSignatures:
		h.CertSignatures = nil
		if all, whole := uint16s(f.vector16()); whole && f.done() && !again {
			h.CertSignatures = all
		}
		return nil
	case extALPN:
		h.ALPN, ok = protocols(f.vector16())
	case extSupportedVersions:
		list := f.vector8()
		h.SupportedVersions, ok = uint16s(list)
		ok = ok && len(list) > 0
	default:
		return nil
	}
	switch {
	case again:
		return malformed(fmt.Sprintf("extension %d comes twice", t))
	case !ok || !f.done():
		return malformed(fmt.Sprintf("the list in extension %d", t))
	case t == extSupportedVersions && len(h.SupportedVersions) == 0:
		// A client that names no version can be answered in none.
		return badVersion("it lists no version but GREASE")
	}
	return nil
}

// serverName returns the one host name in a server_name extension; empty when
// there is not exactly one, or when it is none (RFC 6066 section 3). That is
// no error: devices send it empty and worse, and can go on without it.
func serverName(data []byte) string {
	outer := fields{rest: data}
	list := fields{rest: outer.vector16()}
	name, names := "", 0
	for len(list.rest) > 0 {
		kind, value := list.uint8(), list.vector16()
		if kind == 0 {
			name, names = string(value), names+1
		}
	}
	if !outer.done() || !list.done() || names != 1 || len(name) > maxServerName {
		return ""
	}
	return name
}

// protocols reads the list of names of ALPN (RFC 7301 section 3.1). Empty
// names, which it forbids, are left out.
func protocols(list []byte) ([]string, bool) {
	f := fields{rest: list}
	var names []string
	for len(f.rest) > 0 {
		name := f.vector8()
		grease := len(name) == 2 && isGREASE(binary.BigEndian.Uint16(name))
		if len(name) > 0 && !grease {
			names = append(names, string(name))
		}
	}
	return names, f.done()
}

// uint16s reads a list of numbers; it is never nil.
func uint16s(list []byte) ([]uint16, bool) {
	numbers := make([]uint16, 0, len(list)/2)
	for ; len(list) >= 2; list = list[2:] {
		if v := binary.BigEndian.Uint16(list); !isGREASE(v) {
			numbers = append(numbers, v)
		}
	}
	return numbers, len(list) == 0
}
