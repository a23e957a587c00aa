package e2e

import (
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// Every client sends and reads mail in every way that it knows, and sees the
// right certificate: the server's own when it is passed, else one of tlslift's
// CA.
func TestMailClients(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	s.put(mailUser, storedMail)
	l := startMail(t, s)
	for name := range mailClients {
		for _, w := range mailWays {
			for _, level := range mailLevels {
				c := w.call(t, l, level)
				if !can(name, c) {
					continue
				}
				t.Run(name+"/"+w.String()+"/"+level.name, func(t *testing.T) { l.goes(t, name, c, w, level) })
			}
		}
	}
}

// Where the operator allows it, clients without TLS are served, and what they
// send goes on inside TLS.
func TestMailClientsWithoutTLSAreAllowed(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	s.put(mailUser, storedMail)
	s.expectNoSecrets()
	l := startMail(t, s)
	plain := mailLevel{name: "without TLS", offered: "none", why: "plaintext"}
	for _, w := range plainWays {
		for _, name := range []string{"curl", "python", "swaks"} {
			if c := w.call(t, l, plain); can(name, c) {
				t.Run(name+"/"+w.String(), func(t *testing.T) { l.goes(t, name, c, w, plain) })
			}
		}
	}
	for _, more := range [][]string{{"--protocol", "SMTP"}, {"--pipeline"}} {
		c := plainToPort25.call(t, l, plain)
		c.more = append(more, "--auth-optional")
		t.Run("swaks"+more[0]+"/"+plainToPort25.String(), func(t *testing.T) { l.goes(t, "swaks", c, plainToPort25, plain) })
	}
}

// Devices do what no mail program does.
func TestOddMailDevices(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	l := startMail(t, s)
	ways := []mailWay{toPort25}
	for _, w := range mailWays {
		if w.protocol == "smtp" && !w.proxied {
			ways = append(ways, w)
		}
	}
	for _, w := range ways {
		odd := func(name, client string, change func(*mailCall)) {
			c := w.call(t, l, atTLS10)
			change(&c)
			t.Run(name+"/"+w.String(), func(t *testing.T) { l.goes(t, client, c, w, atTLS10) })
		}
		noPassword := "--auth-optional" // where there is none to give
		odd("pipelining", "swaks", func(c *mailCall) { c.more = []string{noPassword, "--pipeline"} })
		odd("a name that is none", "swaks", func(c *mailCall) { c.more = []string{noPassword, "--ehlo", "<2nd floor>"} })
		if w.tlsMode == startTLS && w != toPort25 {
			odd("one EHLO", "openssl", func(c *mailCall) { c.oneEHLO = true })
		}
	}
}

// Old Java applications send through JavaMail.
func TestJavaMail(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	s.put(mailUser, storedMail)
	l := startMail(t, s)
	type trip struct {
		way   mailWay
		level mailLevel
	}
	var trips []trip
	var calls []mailCall
	for _, w := range mailWays {
		for _, level := range append([]mailLevel{sslv2Hello}, mailLevels...) {
			if c := w.call(t, l, level); can("java", c) {
				trips, calls = append(trips, trip{w, level}), append(calls, c)
			}
		}
	}
	for i, result := range javaMail(t, calls) {
		w, level := trips[i].way, trips[i].level
		t.Run(w.String()+"/"+level.name, func(t *testing.T) {
			if !strings.HasPrefix(result, "done") {
				t.Fatalf("%s\n%s", result, l.log())
			}
			s.done(t, calls[i], result)
			l.recordOf(t, w, level)
		})
	}
}

// A stop waits for a session to send its mail, and lets no other one begin.
func TestStopWaitsForMail(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	l := startMail(t, s)
	to, address := freshMailbox(), l.at["smtp://{}"]
	client, err := smtpSession(address, clientTLS(t, smtpHost, l.caFile, tls.VersionTLS10), to)
	if err != nil {
		t.Fatal(err)
	}
	var stop sync.WaitGroup
	stop.Go(l.stop)
	awaitNobody(t, address)
	if err := sendNow(client, sentMail); err != nil {
		t.Errorf("%v\n%s", err, l.log())
	}
	stop.Wait()
	s.arrived(t, to, 1)
	l.record(t, map[string]string{"outcome": "lifted", "reason": ""})
}

// awaitNobody waits until nobody listens on an address any more.
func awaitNobody(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(testenv.Patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Fatalf("somebody goes on listening on %s", address)
}

// The servers do as Microsoft 365 does: they serve the modern clients and no
// other ones.
func TestMailServersWithoutTLSLift(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	s.put(mailUser, storedMail)
	root := s.rootFile(t)
	for _, w := range mailWays {
		if !w.alike() || w.proxied {
			continue
		}
		for name, client := range mailClients {
			for _, level := range mailLevels {
				c := mailCall{level: level, protocol: w.protocol, tlsMode: w.tlsMode, address: s.at[w.upstream], caFile: root, to: freshMailbox()}
				if !can(name, c) {
					continue
				}
				out, err := client(t, c)
				if served := err == nil; served != (level.name == modern.name) {
					t.Errorf("%s to %d, %s: %v\n%s", name, w.upstream, level.name, err, out)
				} else if served {
					s.done(t, c, out)
				}
			}
		}
	}
}
