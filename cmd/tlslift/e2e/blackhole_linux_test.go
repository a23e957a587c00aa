package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// All addresses of the destination but the last are black holes, in both families. The
// client gets through well within the handshake timeout, and the next one too.
func TestBlackHoledAddresses(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	web := startNginx(t, newPKI(t), modernTLS, false, nil)
	n.internet.serve(t, mailAddress+":443", web.address)
	dead := []string{mailAddress6, "52.96.1.4", "52.96.1.5", "52.96.1.6"}
	hosts := "127.0.0.1 localhost\n"
	for _, address := range append(dead, mailAddress) {
		hosts += fmt.Sprintln(address, host)
	}
	file := filepath.Join("/etc/netns", string(n.gateway), "hosts")
	if err := os.WriteFile(file, []byte(hosts), 0o644); err != nil { // read by every program
		t.Fatal(err)
	}
	for _, address := range dead[1:] {
		n.gateway.ip(t, "route add "+address+" via 10.78.0.2")
	}
	n.internet.nft(t, "table inet hole { chain in { type filter hook prerouting priority raw; ip daddr { "+
		strings.Join(dead[1:], ", ")+" } drop; ip6 daddr "+mailAddress6+" drop; }; }")

	l := prepare(t, []string{"ip", "netns", "exec", string(n.gateway)}, "", web.pki.pem,
		"TLSLIFT_LISTEN=proxy://10.77.0.1:3128", "TLSLIFT_CONNECT_TO=", "TLSLIFT_HANDSHAKE_TIMEOUT=5s")
	l.http = n.gateway.client()
	l.run()
	for range 2 {
		out, err := n.client.run(t, "", "curl", append([]string{
			"-sS", "-x", "http://10.77.0.1:3128", "--cacert", l.caFile, "https://" + host + "/",
		}, atTLS10.curl...)...)
		if err != nil || !strings.Contains(out, "hello from nginx") {
			t.Fatalf("%v\n%s\n%s", err, out, l.log())
		}
		rec := l.record(t, map[string]string{"outcome": "lifted", "reason": "", "destination": host + ":443"})
		t.Logf("took %v s", rec["duration_seconds"])
	}
}
