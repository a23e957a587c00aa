package legacytls

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// NSS is in old Firefox and Thunderbird. This program of it shows what it gets.
func TestNSS(t *testing.T) {
	t.Parallel()
	database := nssDatabase(t, rootFile(t))
	client := peerCommand{
		args: func(s *served) []string {
			return []string{"tstclnt", "-4", "-h", "127.0.0.1", "-p", s.server.port, "-a", serverName, "-d", database,
				"-V", nssVersion(s.version), "-c", fmt.Sprintf(":%04X", s.suite), "-G", "-v"}
		},
		says: func(s *served) []string { return []string{nssDescription(s.version), "subject DN: CN=" + serverName} },
	}
	for _, tr := range append(tours(anySuite, 1, byID), append(optionTours(byID, 1), sha1Tour(t, byID, 1))...) {
		client.run(t, tr)
	}
}

// And this one comes back.
func TestNSSComesBack(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "strsclnt")
	database := nssDatabase(t, rootFile(t))
	for _, tr := range tours(anySuite, 4, byTicket, byID) {
		t.Run(tr.String(), func(t *testing.T) {
			t.Parallel()
			s := tr.serve(t)
			args := []string{"-4", "-p", s.server.port, "-a", serverName, "-d", database, "-V", nssVersion(s.version),
				"-C", fmt.Sprintf(":%04X", s.suite), "-c", "4", "-t", "1", "-v"}
			want := []string{"Server Certificate Validated", nssDescription(s.version), "3 cache hits; 1 cache misses"}
			if s.how == byTicket {
				args, want = append(args, "-u"), append(want, "3 stateless resumes")
			}
			// It asks for a page, and shows how long the answer was.
			want = append(want, fmt.Sprintf("read %d bytes total", len(answerHead)))
			out, err := runPeer(t, nil, "strsclnt", append(args, "127.0.0.1")...)
			for _, want := range want {
				if err != nil || !strings.Contains(out, want) {
					t.Errorf("%v, want %q, got: %s", err, want, out)
				}
			}
			s.check(t, 0)
		})
	}
}

// nssDatabase is a folder in which NSS finds a root.
func nssDatabase(t *testing.T, root string) string {
	t.Helper()
	database := "sql:" + t.TempDir()
	for _, args := range [][]string{
		{"-N", "-d", database, "--empty-password"},
		{"-A", "-d", database, "-n", "root", "-t", "C,,", "-i", root},
	} {
		if out, err := runPeer(t, nil, "certutil", args...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return database
}

// nssVersion allows one version alone.
func nssVersion(v uint16) string {
	number := strings.TrimPrefix(tls.VersionName(v), "TLS ")
	return "tls" + number + ":tls" + number
}

// nssDescription is how the programs show a version.
func nssDescription(v uint16) string {
	return fmt.Sprintf("SSL version 3.%d using ", v-tls.VersionTLS10+1)
}
