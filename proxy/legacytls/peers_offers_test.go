package legacytls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// curl makes two visits in one run, and comes back with the session of the
// first; it wants no tickets.
func TestCurl(t *testing.T) {
	t.Parallel()
	root := rootFile(t)
	for _, tr := range tours((*suite).isAES, 2, byID) {
		t.Run(tr.String(), func(t *testing.T) {
			t.Parallel()
			s := tr.serve(t)
			out, err := runPeer(t, nil, "curl", curlArgs(s.server.port, root, "--tls-max", s.number(),
				"--ciphers", opensslName(suiteByID(s.suite))+":@SECLEVEL=0", "--data-binary", "@"+testenv.WriteFile(t, "body", s.body),
				"-v", "https://"+serverName+"/2")...)
			if err != nil || strings.Count(out, string(s.body)) != 2 {
				t.Errorf("the answers did not come, %v: %s", err, out)
			}
			agreed := strings.TrimSuffix("TLSv"+s.number(), ".0") + " / " + opensslName(suiteByID(s.suite)) + "\n"
			if strings.Count(out, "SSL connection using "+agreed) != 2 || strings.Count(out, "SSL certificate verify ok.") != 2 ||
				strings.Count(out, "SSL re-using session ID") != 1 {
				t.Errorf("want %q twice, got %s", agreed, out)
			}
			s.check(t, 2)
		})
	}
}

func curlArgs(port, root string, more ...string) []string {
	args := []string{"-sS", "--http1.0", "--tlsv1.0", "--cacert", root, "--connect-to", serverName + ":443:127.0.0.1:" + port}
	return append(append(args, more...), "https://"+serverName+"/1")
}

// peerOffers are clients that offer every version they have, as most do, and
// everything for TLS 1.3.
func peerOffers(port, root, nss string) map[string][]string {
	return map[string][]string{
		"openssl": {"openssl", "s_client", "-connect", "127.0.0.1:" + port, "-CAfile", root,
			"-verify_return_error", "-verify_hostname", serverName,
			"-ign_eof", "-min_protocol", "TLSv1", "-cipher", "ALL:@SECLEVEL=0"},
		"gnutls": {"gnutls-cli", "--x509cafile", root, "--verify-hostname", serverName, "-p", port, "127.0.0.1",
			"--priority", "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1"},
		"nss":  {"tstclnt", "-4", "-h", "127.0.0.1", "-p", port, "-a", serverName, "-d", nss, "-V", "tls1.0:tls1.3", "-C", "-G"},
		"curl": append([]string{"curl"}, curlArgs(port, root, "--ciphers", "ALL:@SECLEVEL=0", "--data-binary", "@-")...),
	}
}

func TestClientsThatOfferEverything(t *testing.T) {
	t.Parallel()
	root := rootFile(t)
	for _, version := range peerVersions {
		tr := tour{version: version, suite: tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, how: byID, visits: 1,
			config: func(c *Config) { c.MaxVersion = version }}
		if version == tls.VersionTLS12 {
			tr.suite = tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
		}
		for name := range peerOffers("", "", "") {
			t.Run(name+"/"+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				s := tr.serve(t)
				args := peerOffers(s.server.port, root, nssDatabase(t, root))[name]
				out, err := runPeer(t, s.request, args[0], args[1:]...)
				if err != nil || !strings.Contains(out, string(s.body)) {
					t.Errorf("the answer did not come, %v: %.5000s", err, out)
				}
				v := s.server.next(t)
				if v.err != nil || v.state.Version != s.version || v.state.CipherSuite != s.suite {
					t.Errorf("the server agreed on %+v, %v", v.state, v.err)
				}
			})
		}
	}
}

// These clients do verify what the tests present: with another root, they end
// the connection and send no request.
func TestClientsVerify(t *testing.T) {
	t.Parallel()
	root := unrelatedRoot(t)
	for name := range peerOffers("", "", "") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (tour{how: byID}).serve(t)
			args := peerOffers(s.server.port, root, nssDatabase(t, root))[name]
			if out, err := runPeer(t, s.request, args[0], args[1:]...); err == nil {
				t.Errorf("the client goes on: %.5000s", out)
			}
			if v := s.server.next(t); v.body != nil {
				t.Errorf("the client sent its request: %+v, %v", v.state, v.err)
			}
		})
	}
}

// A client that has nothing but what is switched off is told so.
func TestLegacySuitesOfClients(t *testing.T) {
	t.Parallel()
	root := rootFile(t)
	for _, id := range []uint16{tls.TLS_RSA_WITH_RC4_128_SHA, rsaRC4MD5} {
		s := (tour{version: tls.VersionTLS10, suite: id, how: byID, config: func(c *Config) { c.Suites = LegacySuites{} }}).serve(t)
		out, err := runPeer(t, s.request, "gnutls-cli", "--x509cafile", root, "-p", s.server.port, "127.0.0.1",
			"--priority", gnutlsPriority(s.version, suiteByID(id)))
		if err == nil || !strings.Contains(out, "Handshake failed") {
			t.Errorf("%v: %s", err, out)
		}
		v := s.server.next(t)
		if p := (*ProtocolError)(nil); !errors.As(v.err, &p) || p.Description != uint8(alertHandshakeFailure) {
			t.Errorf("the server ended with %v", v.err)
		}
	}
}

// NSS asks for a renegotiation, is refused, and goes on.
func TestNSSRenegotiates(t *testing.T) {
	t.Parallel()
	database := nssDatabase(t, rootFile(t))
	for _, version := range peerVersions {
		s := (tour{version: version, suite: tls.TLS_RSA_WITH_AES_128_CBC_SHA, how: byID, visits: 1}).serve(t)
		out, err := runPeer(t, s.request, "tstclnt", "-4", "-h", "127.0.0.1", "-p", s.server.port, "-a", serverName, "-d", database,
			"-V", nssVersion(version), "-c", fmt.Sprintf(":%04X", s.suite), "-G", "-r", "1")
		if err != nil || !strings.Contains(out, string(s.answer())) {
			t.Errorf("the answer did not come, %v: %.5000s", err, out)
		}
		s.check(t, 1)
	}
}
