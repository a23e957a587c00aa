package fakem365_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// startProxy starts a proxy that reads one request on each connection and has
// answer do the rest. It returns its address.
func startProxy(t *testing.T, answer func(net.Conn, *http.Request)) string {
	t.Helper()
	return testenv.Serve(t, func(conn net.Conn) {
		if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			answer(conn, request)
		}
	}).String()
}

// tunnel carries bytes until the client is gone.
func tunnel(client net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	join(client, server)
}

func join(client, server net.Conn) {
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		client.Close()
	})
	_, _ = io.Copy(server, client)
	server.Close()
	back.Wait()
}

func TestClientThroughProxy(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveHTTPS(t, fake, fakem365.TLSOptions{})
	asked := make(chan string, 1)
	client := &fakem365.Client{Roots: fake.Roots(), Proxy: startProxy(t, func(conn net.Conn, request *http.Request) {
		asked <- request.Method + " " + request.RequestURI
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		tunnel(conn, server.Addr())
	})}
	answer, err := client.Get(t.Context(), page)
	if err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got != "CONNECT "+target {
		t.Errorf("the proxy was asked %q", got)
	}
	if !strings.HasPrefix(answer.Body, "hello from "+host+" over TLS 1.3") {
		t.Errorf("answer %q", answer.Body)
	}
	if !answer.TLS.PeerCertificates[0].Equal(server.Leaf()) {
		t.Error("the client saw another certificate than the server's")
	}
}

func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	client := &fakem365.Client{Proxy: startProxy(t, func(conn net.Conn, _ *http.Request) {
		_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nnot allowed\n")
	})}
	_, err := client.Get(t.Context(), page)
	var refusal *fakem365.ProxyError
	if !errors.As(err, &refusal) || refusal.Status != 403 || refusal.Body != "not allowed\n" {
		t.Fatalf("error %v", err)
	}
	if !strings.HasSuffix(err.Error(), "403 Forbidden: not allowed") {
		t.Errorf("it reads %q", err)
	}
	if fakem365.Alert(err) != "" {
		t.Errorf("a refusal in HTTP is taken for the alert %q", fakem365.Alert(err))
	}
}

func TestProxyMisbehaves(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, answer, complaint string }{
		{"closes", "", "reading the proxy's answer: unexpected EOF"},
		{"speaks no HTTP", "220 smtp.office365.com ESMTP\r\n", "reading the proxy's answer: malformed HTTP"},
		{"speaks early", "HTTP/1.1 200 OK\r\n\r\n220 ESMTP\r\n", "bytes of its own after its answer"},
		{"never ends", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 100<<10), "reading the proxy's answer: unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := &fakem365.Client{Proxy: startProxy(t, func(conn net.Conn, _ *http.Request) {
				if n, _ := io.WriteString(conn, test.answer); n > 0 {
					_, _ = io.Copy(io.Discard, conn) // until the client leaves
				}
			})}
			_, err := client.Dial(t.Context(), target)
			if err == nil || !strings.Contains(err.Error(), test.complaint) {
				t.Errorf("error %v, want %q", err, test.complaint)
			}
		})
	}
}

func TestClientGivesUp(t *testing.T) {
	t.Parallel()
	// The kernel accepts for it, and nobody ever answers.
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	silent := listener.Addr().String()
	for name, client := range map[string]*fakem365.Client{
		"waiting for the proxy":  {Proxy: silent, Timeout: 50 * time.Millisecond},
		"waiting for the server": {Address: silent, Timeout: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var timeout net.Error
			if _, err := client.Dial(t.Context(), target); !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestGetRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	client := testenv.Direct(fake, serveHTTPS(t, fake, fakem365.TLSOptions{}))
	for _, url := range []string{"http://" + host + "/", "https://%zz/", page + "bytes?n=1048577"} {
		if _, err := client.Get(t.Context(), url); err == nil {
			t.Errorf("%s is got", url)
		}
	}
	if _, err := client.Dial(t.Context(), host); err == nil {
		t.Error("a target without a port is dialled")
	}
}

func TestClientDistrustsByDefault(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	client := testenv.Direct(fake, serveHTTPS(t, fake, fakem365.TLSOptions{}))
	client.Roots = nil
	if _, err := client.Get(t.Context(), page); err == nil {
		t.Error("a server below the test root is trusted without it")
	}
}
