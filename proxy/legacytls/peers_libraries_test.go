package legacytls

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// Java 17 with everything that it disables by default: the versions, suites
// and the hello in SSLv2 format of Java 6. Starting it takes long, so it makes
// all its tours at once.
func TestJava(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "java")
	security := testenv.WriteFile(t, "java.security",
		[]byte("jdk.tls.disabledAlgorithms=\njdk.certpath.disabledAlgorithms=\njdk.tls.legacyAlgorithms=\n"))
	classes := t.TempDir()
	if out, err := runPeer(t, nil, "javac", "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-proc:none", "-d", classes,
		filepath.Join("testdata", "Peer.java")); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	java := peerProgram{
		command: []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Djava.security.properties=" + security,
			"-cp", classes},
		suite: javaName,
		says: func(s *served, visit int) string {
			version := map[uint16]string{tls.VersionTLS10: "TLSv1", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2"}[s.version]
			return version + " " + javaName(suiteByID(s.suite)) + " " + s.reused(visit)
		},
	}
	for how, setting := range map[string]string{byTicket: "true", byID: "false"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			p := java
			p.command = append(p.command[:len(p.command):len(p.command)], "-Djdk.tls.client.enableSessionTicketExtension="+setting, "Peer")
			all := append(tours(anySuite, 2, how), append(optionTours(how, 2), sha1Tour(t, how, 2))...)
			if how == byID {
				all = append(all, tours(anySuite, 1, bySSLv2)...)
				p.verifies(t)
			}
			// TLS 1.2 has no suites with DES (RFC 5246 section 1.2).
			p.run(t, slices.DeleteFunc(all, func(tr tour) bool {
				return tr.version == tls.VersionTLS12 && suiteByID(tr.suite).strength == weakDES
			}))
		})
	}
}

// javaName is a suite's name in Java, which calls those older than TLS
// otherwise.
func javaName(s *suite) string {
	if s.kx != kxECDHE && !s.isAES() && !s.isChaCha20() {
		return strings.Replace(s.name, "TLS_", "SSL_", 1)
	}
	return s.name
}

// mbedTLS is in many small devices, which may ask for small records: their
// buffers are small. It reads no handshake message that comes in two records, so
// that no certificate fits into the smallest of 512 bytes.
func TestMbedTLS(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "gcc", "/usr/include/mbedtls/config.h") // of version 2
	binary := filepath.Join(t.TempDir(), "mbedtls")
	if out, err := runPeer(t, nil, "gcc", "-O1", "-o", binary, filepath.Join("testdata", "mbedtls.c"),
		"-lmbedtls", "-lmbedx509", "-lmbedcrypto"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	name := func(s *suite) string { return strings.ReplaceAll(s.name, "_", "-") }
	records := map[string]int{"512": 512, "1024": 1024, "2048": 2048, "4096": 4096, byTicket: maxPlaintext, byID: maxPlaintext}
	p := peerProgram{
		command: []string{binary}, suite: name,
		says: func(s *served, _ int) string {
			return fmt.Sprintf("TLSv%s %s %d", s.number(), name(suiteByID(s.suite)), min(records[s.how], len(s.body)))
		},
	}
	all := tours(notDES, 2, byTicket, byID)
	all = append(all, optionTours(byID, 2)...)
	for _, fragment := range []string{"1024", "2048", "4096"} {
		all = append(all, tours(func(s *suite) bool { return s.isAES() && s.keyLen == 16 }, 2, fragment)...)
	}
	p.run(t, all)
	p.verifies(t)
}

// Node.js of 2012 and 2013 carries OpenSSL 1.0.0 and 1.0.1, as many devices of
// those years. It is the client that closes, because this one takes close_notify
// for nothing, and is not sure to send it where TCP has ended.
func TestNodeOf2012(t *testing.T) {
	t.Parallel()
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		t.Skip("the programs are for another machine")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []struct {
		version string
		newest  uint16
		has     func(s *suite) bool
	}{
		{"0.8.28", tls.VersionTLS10, anySuite},
		{"0.10.48", tls.VersionTLS12, func(s *suite) bool { return notDES(s) && !s.isChaCha20() }},
	} {
		t.Run(node.version, func(t *testing.T) {
			t.Parallel()
			binary := filepath.Join(cache, "tlslift-test-peers", "node-"+node.version, "bin", "node")
			testenv.Need(t, binary)
			p := peerProgram{
				command: []string{binary, filepath.Join("testdata", "peer.js")}, suite: opensslName,
				says: func(s *served, visit int) string { return opensslName(suiteByID(s.suite)) + " " + s.reused(visit) },
			}
			p.verifies(t)
			var all []tour
			for _, tr := range append(tours(node.has, 2, byTicket, byID), append(optionTours(byID, 2), sha1Tour(t, byID, 2))...) {
				tr.plain, tr.waits = true, true
				if tr.version <= node.newest {
					all = append(all, tr)
				}
			}
			p.run(t, all)
		})
	}
}

func TestPython(t *testing.T) {
	t.Parallel()
	p := peerProgram{
		command: []string{"python3", filepath.Join("testdata", "peer.py")}, suite: opensslName,
		says: func(s *served, visit int) string {
			version := map[uint16]string{tls.VersionTLS10: "TLSv1", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2"}[s.version]
			return version + " " + opensslName(suiteByID(s.suite)) + " " + s.reused(visit)
		},
	}
	p.run(t, append(tours((*suite).isAES, 2, byTicket, byID), append(optionTours(byID, 2), sha1Tour(t, byID, 2))...))
	p.verifies(t)
}

// opensslName is a suite's name in OpenSSL.
func opensslName(s *suite) string {
	if s.id == dhe3DES || s.id == dheDES {
		return map[uint16]string{dhe3DES: "EDH-RSA-DES-CBC3-SHA", dheDES: "EDH-RSA-DES-CBC-SHA"}[s.id]
	}
	return strings.NewReplacer(
		"TLS_RSA_WITH_", "", "TLS_DHE_RSA_WITH_", "DHE-RSA-", "TLS_ECDHE_RSA_WITH_", "ECDHE-RSA-",
		"TLS_ECDHE_ECDSA_WITH_", "ECDHE-ECDSA-",
		"3DES_EDE_CBC", "DES-CBC3", "DES_CBC", "DES-CBC", "RC4_128", "RC4", "POLY1305_SHA256", "POLY1305",
		"AES_128_CBC", "AES128", "AES_256_CBC", "AES256", "AES_128_GCM", "AES128-GCM", "AES_256_GCM", "AES256-GCM", "_", "-",
	).Replace(s.name)
}
