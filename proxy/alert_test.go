package proxy_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// badRecord is a record of data that verifies under no key.
func badRecord(version uint16) []byte {
	return append([]byte{23, byte(version >> 8), byte(version), 0, 64}, make([]byte, 64)...)
}

// A client that is sent an alert in the middle of a session gets it, and an end: no
// reset, though it goes on sending.
func TestAlertInRelay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		version uint16
		bad     []byte
		refused bool // by the destination, so that it is lifted although it is capable
	}{
		{"TLS 1.0, a record that does not verify", tls.VersionTLS10, badRecord(tls.VersionTLS10), false},
		{"TLS 1.2, a record that does not verify", tls.VersionTLS12, badRecord(tls.VersionTLS12), false},
		{"TLS 1.2, a record of another version", tls.VersionTLS12, badRecord(tls.VersionTLS10), false},
		{"TLS 1.1, a record of no known type", tls.VersionTLS11, []byte{99, 3, 2, 0, 1, 0}, false},
		{"TLS 1.3, a record that does not verify", tls.VersionTLS13, badRecord(tls.VersionTLS12), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fake := testenv.FakeM365(t)
			o := fakem365.TLSOptions{}
			if tt.refused {
				o.MaxVersion = tls.VersionTLS12
			}
			server, err := fake.ServeTLS(o, func(c *tls.Conn) { _, _ = io.Copy(c, c) })
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, fake, server.Addr(), nil)
			cfg := w.oldConfig()
			cfg.MinVersion, cfg.MaxVersion = tt.version, tt.version
			cfg.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
			tcp := dial(t, w.tls)
			client := tls.Client(tcp, cfg)
			send(t, client, "half of it")
			if _, err := io.ReadFull(client, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			checkAlert(t, tcp, tt.bad)
			w.expect(record.OutcomeLifted, record.ReasonRelayBroken)
		})
	}
}

func send(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

// checkAlert sends a bad record and much more, reads nothing before that, and wants an
// alert and an end.
func checkAlert(t *testing.T, tcp *net.TCPConn, bad []byte) {
	t.Helper()
	more := make([]byte, 1<<20)
	for _, b := range [][]byte{bad, more, more} {
		if _, err := tcp.Write(b); err != nil {
			t.Fatalf("what the client goes on to send fails: %v", err)
		}
	}
	if err := tcp.CloseWrite(); err != nil {
		t.Errorf("closing: %v", err)
	}
	came, err := io.ReadAll(tcp)
	if err != nil {
		t.Errorf("after %d bytes: %v", len(came), err)
	}
	if len(came) < 5 || came[0] != 21 && came[0] != 23 || len(came) != 5+int(binary.BigEndian.Uint16(came[3:])) {
		t.Errorf("in the place of one alert came %x", came)
	}
}

// The same in a mail session, whose relay is watched: also while the destination has
// something to say.
func TestAlertInMail(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, nil)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12} {
		cfg := w.oldConfig()
		cfg.ServerName = mailHost
		cfg.MinVersion, cfg.MaxVersion = version, version
		cfg.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		tcp := dial(t, w.at[viaSMTPS])
		client := tls.Client(tcp, cfg)
		r := bufio.NewReader(client)
		for _, command := range []string{"", "EHLO device.example\r\n"} {
			send(t, client, command)
			for line := "220-"; line[3] == '-'; {
				var err error
				if line, err = r.ReadString('\n'); err != nil || len(line) < 4 {
					t.Fatalf("%q, %v", line, err)
				}
			}
		}
		checkAlert(t, tcp, badRecord(version))
		if r := w.record(); r.Outcome != record.OutcomeLifted || r.Reason == "" {
			t.Errorf("%s, reason %q: %v", r.Outcome, r.Reason, r.Err)
		}
	}
}

// The same while the destination sends as much as it can.
func TestAlertInDownload(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12} {
		fake := testenv.FakeM365(t)
		server, err := fake.ServeTLS(fakem365.TLSOptions{}, func(c *tls.Conn) {
			_, _ = c.Read(make([]byte, 1))
			for block := make([]byte, 10000); ; {
				if _, err := c.Write(block); err != nil {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, fake, server.Addr(), nil)
		cfg := w.oldConfig()
		cfg.MinVersion, cfg.MaxVersion = version, version
		cfg.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		tcp := dial(t, w.tls)
		send(t, tls.Client(tcp, cfg), "x")
		last := make(chan byte, 1)
		go func() {
			defer close(last)
			header := make([]byte, 5)
			for {
				n, err := io.ReadFull(tcp, header)
				if err == nil {
					_, err = io.CopyN(io.Discard, tcp, int64(binary.BigEndian.Uint16(header[3:])))
				}
				if err != nil {
					if n > 0 || !errors.Is(err, io.EOF) {
						t.Errorf("%s: the download ended with %d bytes, %v", tls.VersionName(version), n, err)
					}
					last <- header[0]
					return
				}
			}
		}()
		for _, b := range [][]byte{badRecord(version), make([]byte, 1<<20)} {
			if _, err := tcp.Write(b); err != nil {
				t.Errorf("what the client goes on to send fails: %v", err)
			}
		}
		_ = tcp.CloseWrite()
		if typ := <-last; typ != 21 {
			t.Errorf("%s: the last record has type %d", tls.VersionName(version), typ)
		}
		w.expect(record.OutcomeLifted, record.ReasonRelayBroken)
	}
}
