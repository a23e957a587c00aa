package legacytls

import (
	"bytes"
	"crypto/tls"
	"maps"
	"slices"
	"testing"
)

const (
	rsaAES128   = tls.TLS_RSA_WITH_AES_128_CBC_SHA
	ecdheAES128 = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
)

// A helloCase is a hello and what has to come of it.
type helloCase struct {
	hello hello
	// version and suite are what is agreed on; zero means TLS 1.0 and RSA with
	// AES-128.
	version, suite uint16
	extensions     []uint16 // that are answered; nil means that there is no block
	name           string   // that the server sees
	curve          uint16   // zero means any
	scheme         uint16   // of the signature; zero means any
}

// numbers are suites in plenty, of which none exists.
func numbers(n int) (all []uint16) {
	for i := range n {
		all = append(all, 0xe000+uint16(i))
	}
	return all
}

// padded are extensions that make a hello as large as it may be.
func padded() []extension {
	empty := hello{extensions: []extension{{21, nil}}}
	return []extension{{21, make([]byte, maxClientHello-len(empty.transcript()))}}
}

func lenientHellos() map[string]helloCase {
	return map[string]helloCase{
		"as short as can be":       {hello: hello{}},
		"in records of one byte":   {hello: hello{grain: 1}},
		"in records of five bytes": {hello: hello{grain: 5}},
		"TLS 1.0 in a record of version 0300": {
			hello: hello{record: versionSSL30, version: tls.VersionTLS10}},
		"TLS 1.1 in a record of version 0300": {
			hello: hello{record: versionSSL30, version: tls.VersionTLS11}, version: tls.VersionTLS11},
		"a record of a version to come": {
			hello: hello{record: 0x03ff}},
		"a version to come": {
			hello: hello{version: 0x0407}, version: tls.VersionTLS12},
		"TLS 1.1 by its list, TLS 1.2 by its version": {
			hello:   hello{version: tls.VersionTLS12, extensions: []extension{versionsOf(tls.VersionTLS10, tls.VersionTLS11)}},
			version: tls.VersionTLS11},
		"TLS 1.2 by its list, TLS 1.0 by its version": {
			hello:   hello{version: tls.VersionTLS10, extensions: []extension{versionsOf(0x7f1c, tls.VersionTLS12)}},
			version: tls.VersionTLS12},
		"an empty block of extensions": {hello: hello{extensions: []extension{}}},
		"unknown extensions": {hello: hello{extensions: []extension{
			{0xabcd, []byte("what is this")}, {0x2a2a, nil}, {13172, nil}, {21, make([]byte, 600)}}}},
		"SCSV without extensions": {
			hello:      hello{suites: []uint16{rsaAES128, 0x00ff}},
			extensions: []uint16{extRenegotiationInfo}},
		"renegotiation_info": {
			hello:      hello{extensions: []extension{{extRenegotiationInfo, []byte{0}}}},
			extensions: []uint16{extRenegotiationInfo}},
		"a server name": {
			hello:      hello{extensions: []extension{named("mail.example")}},
			extensions: []uint16{extServerName}, name: "mail.example"},
		"a dot after the server name": {
			hello:      hello{extensions: []extension{named("mail.example.")}},
			extensions: []uint16{extServerName}, name: "mail.example."},
		"an empty server name": {hello: hello{extensions: []extension{named("")}}},
		"no server name in the list": {
			hello: hello{extensions: []extension{{extServerName, []byte{0, 0}}}}},
		"server_name without a body": {hello: hello{extensions: []extension{{extServerName, nil}}}},
		"a name of an unknown type": {
			hello: hello{extensions: []extension{{extServerName, vec16(append([]byte{9}, vec16([]byte("x"))...))}}}},
		"an unknown extension twice": {hello: hello{extensions: []extension{{99, nil}, {99, []byte("again")}}}},
		"extended master secret with content": {
			hello:      hello{extensions: []extension{{extExtendedMaster, []byte{0}}}},
			extensions: []uint16{extExtendedMaster}},
		"encrypt-then-MAC": {
			hello:      hello{extensions: []extension{{extEncryptThenMAC, nil}}},
			extensions: []uint16{extEncryptThenMAC}},
		"half a signature algorithm": {hello: hello{extensions: []extension{{extSignatures, []byte{0, 3, 4, 1, 5}}}}},
		"bytes after renegotiation_info": {
			hello:      hello{extensions: []extension{{extRenegotiationInfo, []byte{0, 1, 2}}}},
			extensions: []uint16{extRenegotiationInfo}},
		"deflate offered": {hello: hello{compressions: []byte{1, 0}}},
		"unknown suites":  {hello: hello{suites: append(numbers(5000), rsaAES128)}},
		"a session ID that nobody knows": {
			hello: hello{session: bytes.Repeat([]byte{9}, 32)}},
		"an ALPN list that we care not for": {
			hello: hello{extensions: []extension{{extALPN, vec16(vec8([]byte("imap")))}}}},
		"64 KiB of extensions":                  {hello: hello{grain: maxPlaintext, extensions: padded()}},
		"64 KiB of extensions in small records": {hello: hello{grain: 700, extensions: padded()}},
		"a large ticket of another server": {
			hello: hello{grain: maxPlaintext, extensions: []extension{{extSessionTicket, make([]byte, 40000)}}}},
		"DHE alone": {hello: hello{suites: []uint16{dheAES128}}, suite: dheAES128},
	}
}

// groupHellos differ in what they say about ECDHE.
func groupHellos() map[string]helloCase {
	compressed := pointsOf(1, 2)
	everyGroup := groupsOf(slices.Concat(func() (ids []tls.CurveID) {
		for i := tls.CurveID(1); i < 200; i++ {
			ids = append(ids, i+100)
		}
		return ids
	}(), []tls.CurveID{tls.CurveP384, tls.CurveP256})...)
	return map[string]helloCase{
		"compressed points beside RSA": {
			hello: hello{suites: []uint16{ecdheAES128, rsaAES128}, extensions: []extension{groupsOf(tls.CurveP256), compressed}}},
		"compressed points, and ECDHE alone": {
			hello: hello{suites: []uint16{ecdheAES128}, extensions: []extension{groupsOf(tls.CurveP256), compressed}},
			suite: ecdheAES128, extensions: []uint16{extPoints}, curve: 23},
		"no point formats": {
			hello: hello{suites: []uint16{ecdheAES128, rsaAES128}, extensions: []extension{pointsOf()}},
			suite: ecdheAES128, extensions: []uint16{extPoints}, curve: 23},
		"ECDHE without groups": {
			hello: hello{suites: []uint16{ecdheAES128}}, suite: ecdheAES128, curve: 23},
		"ECDHE with points and without groups": {
			hello: hello{suites: []uint16{ecdheAES128}, extensions: []extension{pointsOf(0, 1)}},
			suite: ecdheAES128, extensions: []uint16{extPoints}, curve: 23},
		"a long list of groups": {
			hello: hello{suites: []uint16{ecdheAES128}, extensions: []extension{everyGroup}}, suite: ecdheAES128, curve: 23},
		"P-521 alone": {
			hello: hello{suites: []uint16{ecdheAES128}, extensions: []extension{groupsOf(tls.CurveP521)}}, suite: ecdheAES128, curve: 25},
		"X25519 alone": {
			hello: hello{suites: []uint16{ecdheAES128}, extensions: []extension{groupsOf(tls.X25519)}}, suite: ecdheAES128, curve: 29},
		"no group in common, and RSA": {
			hello: hello{suites: []uint16{ecdheAES128, rsaAES128}, extensions: []extension{groupsOf(19, 21)}}},
	}
}

func tls12Hellos() map[string]helloCase {
	tls12 := func(suite uint16, extensions ...extension) hello {
		return hello{version: tls.VersionTLS12, suites: []uint16{suite}, extensions: extensions}
	}
	return map[string]helloCase{
		"TLS 1.2 with SHA-1 alone": {
			hello: tls12(ecdheAES128, signaturesOf(0x0203, 0x0201)), suite: ecdheAES128, version: tls.VersionTLS12, scheme: 0x0201},
		"TLS 1.2 without signature_algorithms": {
			hello: tls12(dheAES128), suite: dheAES128, version: tls.VersionTLS12, scheme: 0x0201},
		"TLS 1.2 with SHA-512 alone": {
			hello: tls12(ecdheAES128, signaturesOf(0x0601)), suite: ecdheAES128, version: tls.VersionTLS12, scheme: 0x0601},
		"TLS 1.2 with SHA-224 and SHA-1": {
			hello: tls12(ecdheAES128, signaturesOf(0x0201, 0x0301)), suite: ecdheAES128, version: tls.VersionTLS12, scheme: 0x0301},
		"TLS 1.2 with PSS alone": {
			hello: tls12(ecdheAES128, signaturesOf(0x0804, 0x0806)), suite: ecdheAES128, version: tls.VersionTLS12, scheme: 0x0804},
		"TLS 1.2 with PSS by SHA-512, and SHA-1": {
			hello: tls12(ecdheAES128, signaturesOf(0x0806, 0x0201)), suite: ecdheAES128, version: tls.VersionTLS12, scheme: 0x0806},
		"encrypt-then-MAC at TLS 1.2": {
			hello: tls12(rsaAES128, extension{extEncryptThenMAC, nil}), version: tls.VersionTLS12, extensions: []uint16{extEncryptThenMAC}},
		"encrypt-then-MAC without CBC": {
			hello: tls12(tls.TLS_RSA_WITH_AES_128_GCM_SHA256, extension{extEncryptThenMAC, nil}),
			suite: tls.TLS_RSA_WITH_AES_128_GCM_SHA256, version: tls.VersionTLS12},
		"TLS 1.2 with SHA-1 and better": {
			hello: tls12(ecdheAES128, signaturesOf(0x0201, 0x0501)), suite: ecdheAES128, version: tls.VersionTLS12, scheme: 0x0501},
		"TLS 1.2 with RSA and signatures of ECDSA alone": {
			hello: tls12(rsaAES128, signaturesOf(0x0403)), version: tls.VersionTLS12},
		"the fallback SCSV at our newest version": {
			hello: hello{version: tls.VersionTLS12, suites: []uint16{0x5600, rsaAES128}}, version: tls.VersionTLS12},
		"extended master secret": {
			hello: hello{extensions: []extension{{extExtendedMaster, nil}}}, extensions: []uint16{extExtendedMaster}},
		"extended master secret at TLS 1.2": {
			hello: tls12(rsaAES128, extension{extExtendedMaster, nil}), version: tls.VersionTLS12, extensions: []uint16{extExtendedMaster}},
	}
}

// Hellos as old devices send them, and worse ones, lead to a connection; only
// extensions that were offered are answered.
func TestHellos(t *testing.T) {
	t.Parallel()
	all := lenientHellos()
	maps.Copy(all, groupHellos())
	maps.Copy(all, tls12Hellos())
	maps.Copy(all, sslv2Hellos())
	for name, row := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.run(t, newConfig(t))
		})
	}
}

// run connects, sends data both ways, and compares what was agreed.
func (row helloCase) run(t *testing.T, config *Config) {
	c := begin(t, config, row.hello)
	c.connect()
	c.echo(bytes.Repeat([]byte("to and fro "), 3000), 5000)
	if c.err != nil {
		t.Fatal(c.err)
	}
	version, suite := max(row.version, tls.VersionTLS10), row.suite
	if suite == 0 {
		suite = rsaAES128
	}
	if c.answer.version != version || c.answer.suite != suite {
		t.Errorf("the server chose %04x %s", c.answer.version, SuiteName(c.answer.suite))
	}
	got := slices.Sorted(maps.Keys(c.answer.extensions))
	if !slices.Equal(got, row.extensions) || (row.extensions == nil) != (c.answer.extensions == nil) {
		t.Errorf("the server answered the extensions %v, want %v", got, row.extensions)
	}
	if row.curve != 0 && !bytes.HasPrefix(c.answer.params, append([]byte{3}, u16(row.curve)...)) {
		t.Errorf("the parameters begin with %x", c.answer.params[:4])
	}
	if row.scheme != 0 && row.scheme != c.answer.scheme {
		t.Errorf("the signature is of %04x", c.answer.scheme)
	}
	state := c.agreed()
	if state.Version != version || state.CipherSuite != suite || state.DidResume || state.ServerName != row.name ||
		state.SSLv2Hello != (row.hello.challenge > 0) || state.ExtendedMasterSecret != slices.Contains(row.extensions, extExtendedMaster) {
		t.Errorf("the server's state is %+v", state)
	}
	c.close()
}

// Every suite works at every version that has it, with messages of the client
// in pieces.
func TestEverySuite(t *testing.T) {
	t.Parallel()
	for version := uint16(tls.VersionTLS10); version <= tls.VersionTLS12; version++ {
		for i, s := range suites {
			if s.tls12 && version < tls.VersionTLS12 {
				continue
			}
			t.Run(tls.VersionName(version)+" "+s.name, func(t *testing.T) {
				t.Parallel()
				config := configFor(t, s.id)
				config.DHBits = map[int]int{0: 0, 1: 1024, 2: 2048}[i%3]
				c := begin(t, config, hello{version: version, suites: []uint16{s.id}})
				c.grain = 1 + i%30
				c.connect()
				c.echo(bytes.Repeat([]byte("all suites "), 100), 100+i)
				if c.err != nil || c.answer.version != version || c.answer.suite != s.id {
					t.Fatalf("%04x %s: %v", c.answer.version, SuiteName(c.answer.suite), c.err)
				}
				c.close()
			})
		}
	}
}
