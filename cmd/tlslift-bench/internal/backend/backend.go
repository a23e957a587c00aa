// Package backend is the destination of a comparison: HTTP inside TLS 1.2, and SMTP with
// STARTTLS, on loopback. It runs in a process of its own, so that what it uses is nobody
// else's. It answers nobody but the load generator, and keeps nothing.
package backend

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/identity"
)

// Addresses are where the backend listens.
type Addresses struct {
	RSA   string `json:"rsa"`   // HTTPS with a certificate for RSA, as that of Microsoft 365
	ECDSA string `json:"ecdsa"` // HTTPS with one for ECDSA, which costs the backend little
	SMTP  string `json:"smtp"`
}

// VersionHeader is the header field in which an answer says the version of TLS that the
// backend was reached with.
const VersionHeader = "X-Backend-TLS"

// MaxBody is the most that one request may ask for or send.
const MaxBody = 4 << 30

// headerTimeout bounds how long a new connection may take until its request is there.
const headerTimeout = 2 * time.Minute

// Serve runs the backend with the identities in dir until in ends, which is when the
// process that started it has. It writes its addresses to out, as JSON.
func Serve(dir string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rsaConfig, err := config(dir, identity.BackendRSA)
	if err != nil {
		return err
	}
	ecdsaConfig, err := config(dir, identity.BackendECDSA)
	if err != nil {
		return err
	}
	var listeners [3]net.Listener
	for i := range listeners {
		var lc net.ListenConfig
		if listeners[i], err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("opening the backend: %w", err)
		}
	}
	web := &http.Server{
		Handler: handler(), ReadHeaderTimeout: headerTimeout,
		// No HTTP/2, which not every proxy relays.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	mail := newMailServer(rsaConfig)
	ended := make(chan error, len(listeners))
	serve := func(run func(net.Listener) error, ln net.Listener) { ended <- run(ln) }
	go serve(web.Serve, tls.NewListener(listeners[0], rsaConfig))
	go serve(web.Serve, tls.NewListener(listeners[1], ecdsaConfig))
	go serve(mail.serve, listeners[2])
	addresses := Addresses{listeners[0].Addr().String(), listeners[1].Addr().String(), listeners[2].Addr().String()}
	if err := json.NewEncoder(out).Encode(addresses); err != nil {
		return fmt.Errorf("writing the addresses: %w", err)
	}
	_, _ = io.Copy(io.Discard, in)
	_ = web.Close()
	listeners[2].Close()
	mail.wait()
	for range listeners {
		if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("serving: %w", err)
		}
	}
	return nil
}

// config returns what the backend speaks: TLS 1.2 and no tickets, so that each connection
// is a full handshake for every proxy.
func config(dir, file string) (*tls.Config, error) {
	path := filepath.Join(dir, file)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading an identity: %w", err)
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil {
		return nil, fmt.Errorf("reading the identity %s: %w", file, err)
	}
	return &tls.Config{ //nolint:gosec // one version, so that each proxy does the same work
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		SessionTicketsDisabled: true,
	}, nil
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bytes/{n}", sendBytes)
	mux.HandleFunc("PUT /bytes", takeBytes)
	mux.HandleFunc("GET /echo/{text}", func(w http.ResponseWriter, r *http.Request) {
		sayVersion(w, r)
		_, _ = io.WriteString(w, r.PathValue("text")) //nolint:gosec // for the load generator alone, and no HTML
	})
	return mux
}

func sayVersion(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(VersionHeader, tls.VersionName(r.TLS.Version))
	w.Header().Set("Content-Type", "application/octet-stream")
}

func sendBytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || n < 0 || n > MaxBody {
		http.Error(w, "no such number of bytes", http.StatusBadRequest)
		return
	}
	sayVersion(w, r)
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	_, _ = io.Copy(w, Content(n))
}

// takeBytes answers with how many bytes of the expected content it got.
func takeBytes(w http.ResponseWriter, r *http.Request) {
	n, err := Check(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sayVersion(w, r)
	_, _ = fmt.Fprint(w, n)
}
