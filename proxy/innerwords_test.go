package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A client is told what went wrong and what to do, and no address of the network behind
// tlslift: what it is told may be shown to anybody, or be read by somebody who searches the
// network. The log has the whole detail.
func TestRefusalsHaveNoInnerAddresses(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	dead := testenv.RefusingAddress(t)
	for name, change := range map[string]func(*proxy.Config){
		"nobody listens":               func(c *proxy.Config) { c.Upstream.ConnectTo = map[string]string{target: dead, crlHost + ":80": dead} },
		"an egress proxy that is dead": func(c *proxy.Config) { c.Upstream.Proxy = &url.URL{Scheme: "http", Host: dead} },
		"a private address": func(c *proxy.Config) {
			c.Upstream.Resolver = &net.Resolver{PreferGo: true, Dial: dnsServer(t, "10.9.8.7")}
		},
		"a name that does not exist":     func(c *proxy.Config) { c.Upstream.Resolver = &net.Resolver{PreferGo: true, Dial: dnsServer(t, "")} },
		"another certificate than asked": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := echo(t, fake)
			w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) {
				if change == nil {
					c.Upstream.Roots, c.Upstream.ConnectTo[crlHost+":80"] = nil, dead
				} else {
					c.Upstream.ConnectTo = nil
					change(c)
				}
				c.Listeners = append(c.Listeners, listener.URL{
					Scheme: listener.SchemeSMTP, Address: "127.0.0.1:0", To: policy.Destination{Host: host, Port: 443},
				})
			})
			for _, request := range []string{
				"CONNECT " + target + " HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://" + crlHost + "/ HTTP/1.1\r\nHost: x\r\n\r\n",
			} {
				conn := dial(t, w.proxy)
				if change == nil && strings.HasPrefix(request, "CONNECT") {
					continue // that one gets a TLS alert
				}
				resp, body := ask(t, conn, bufio.NewReader(conn), request)
				wantNoAddress(t, request, body, dead)
				if resp.StatusCode < 400 || !strings.Contains(body, "Reason: ") {
					t.Errorf("%s: got %d %s", request, resp.StatusCode, body)
				}
			}
			smtp := dial(t, w.server.Listeners()[2].Address)
			if _, err := io.WriteString(smtp, "EHLO printer\r\nSTARTTLS\r\n"); err != nil {
				t.Fatal(err)
			}
			_ = smtp.CloseWrite()
			said, _ := io.ReadAll(smtp) // a reset comes after what was said
			wantNoAddress(t, "SMTP", string(said), dead)
		})
	}
}

// What is wrong with the request itself is repeated.
func TestRefusalsExplainTheRequest(t *testing.T) {
	t.Parallel()
	w := plainWorld(t)
	for request, want := range map[string]record.Reason{
		"GET http://" + crlHost + ":8080/ HTTP/1.1\r\nHost: x\r\n\r\n": record.ReasonPortNotAllowed,
		"CONNECT www.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n":      record.ReasonDestinationNotAllowed,
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                            record.ReasonHTTPRequestInvalid,
	} {
		conn := dial(t, w.proxy)
		resp, body := ask(t, conn, bufio.NewReader(conn), request)
		if resp.StatusCode == http.StatusOK || !strings.Contains(body, "Reason: "+string(want)+"\nDetail: ") {
			t.Errorf("%s: %d %s", request, resp.StatusCode, body)
		}
	}
}

// wantNoAddress fails if a text has an address that is not the client's own business.
func wantNoAddress(t *testing.T, what, text, dead string) {
	t.Helper()
	port := dead[strings.LastIndex(dead, ":"):]
	for _, inner := range []string{"127.0.0.", "10.9.8.7", dead, port, "::1", "->", "lookup", "dial tcp", "read tcp"} {
		if strings.Contains(text, inner) {
			t.Errorf("%s: the client is told %q:\n%s", what, inner, text)
		}
	}
}
