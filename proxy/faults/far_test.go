package faults

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A far is a destination: an SMTP server or a web server.
type far struct {
	listener net.Listener
	isMail   bool
	running  sync.WaitGroup

	mu     sync.Mutex
	config *tls.Config
	mails  map[string]string // that were stored, by their sender
}

func newFar(t *testing.T, isMail bool) *far {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f := &far{listener: ln, isMail: isMail, mails: map[string]string{}}
	f.present(certificate(t, fakem365.CertOptions{}))
	f.running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f.running.Go(func() { f.carry(conn) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		f.running.Wait()
	})
	return f
}

func (f *far) address() string { return f.listener.Addr().String() }

// present changes the certificate.
func (f *far) present(c tls.Certificate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.config = &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
}

func (f *far) carry(raw net.Conn) {
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(testenv.Patience))
	if f.isMail {
		f.smtp(raw, false)
		return
	}
	secure, ok := f.handshake(raw)
	if !ok {
		return
	}
	r := bufio.NewReader(secure)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		var size int
		if _, err := fmt.Sscanf(line, "GET /%d ", &size); err == nil {
			_, _ = fmt.Fprintf(secure, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
		}
	}
}

func (f *far) handshake(raw net.Conn) (*tls.Conn, bool) {
	f.mu.Lock()
	config := f.config
	f.mu.Unlock()
	secure := tls.Server(raw, config)
	return secure, secure.HandshakeContext(context.Background()) == nil
}

// smtp is an SMTP server, before and inside TLS.
func (f *far) smtp(conn net.Conn, secure bool) {
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	if !secure {
		say("220 mx ready")
	}
	r := bufio.NewReader(conn)
	from, text, isText := "", "", false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case isText && line == ".":
			isText = false
			f.mu.Lock()
			f.mails[from] = text
			f.mu.Unlock()
			say("250 2.0.0 stored")
		case isText:
			text += line + "\r\n"
		case line == "STARTTLS":
			say("220 begin TLS")
			if inside, ok := f.handshake(conn); ok {
				f.smtp(inside, true)
			}
			return
		case strings.HasPrefix(line, "EHLO") && !secure:
			say("250-mx\r\n250 STARTTLS")
		case strings.HasPrefix(line, "MAIL FROM:"):
			from, text = line, ""
			say("250 ok")
		case line == "DATA":
			isText = true
			say("354 go on")
		case line == "QUIT":
			say("221 bye")
			if c, is := conn.(*tls.Conn); is {
				_ = c.CloseWrite()
			}
			return
		default:
			say("250 ok")
		}
	}
}

// stored reports whether a mail has arrived whole.
func (f *far) stored(from, text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	got, is := f.mails[from]
	return is && got == text
}
