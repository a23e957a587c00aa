package fakem365

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
)

// microsoftSuites are the TLS 1.2 suites of Microsoft 365 that crypto/tls has.
// TLS 1.3 suites are not configurable and all welcome.
var microsoftSuites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
}

// oldSuites are what Microsoft's mail servers shake hands with below TLS 1.2,
// to say by a reply that it is too old.
var oldSuites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA,
}

// TLSOptions says what a server wants of TLS. The zero value is Microsoft's
// policy: TLS 1.2 with ECDHE and AES, or TLS 1.3. Whoever has less is refused
// by a fatal alert.
type TLSOptions struct {
	// Names are those of the server's certificate; none means those of
	// Microsoft 365. They are not looked at when Certificate is set.
	Names []string
	// Certificate is shown to clients; nil means one below the test root.
	Certificate *tls.Certificate
	// MaxVersion is the newest TLS spoken; zero means TLS 1.3.
	MaxVersion uint16
	// MinVersion is the oldest TLS spoken; zero means TLS 1.2, or MaxVersion
	// where that is older.
	MinVersion uint16
	// CipherSuites are those allowed up to TLS 1.2; nil means Microsoft's, or
	// those of crypto/tls when MinVersion is older than TLS 1.2, which
	// Microsoft's are all too new for.
	CipherSuites []uint16
	// ClientCAs makes the server demand a client certificate below them; nil
	// means that it asks for none.
	ClientCAs *x509.CertPool
	// ALPN are the application protocols spoken; nil means that the server
	// leaves ALPN out, or http/1.1 for HTTPS.
	ALPN []string

	oldToo bool // lets TLS 1.0 and 1.1 through, in spite of MinVersion
}

// ServeTLS starts a server that does the TLS handshake and gives the connection
// to handle. The connection is closed when handle returns, and handle has to
// return when the connection fails.
func (f *Service) ServeTLS(o TLSOptions, handle func(*tls.Conn)) (*Server, error) {
	return f.Serve(o, func(s *Server, conn net.Conn) {
		secure, err := s.Handshake(conn)
		if err != nil {
			return // the client has its alert, and Handshakes counts it
		}
		handle(secure)
		// There is nobody left to tell that close_notify did not get through.
		_ = secure.Close()
	})
}

func (f *Service) tlsConfig(o TLSOptions) (*tls.Config, *x509.Certificate, error) {
	certificate, err := f.serverCertificate(o)
	if err != nil {
		return nil, nil, err
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		return nil, nil, fmt.Errorf("reading the server's certificate: %w", err)
	}
	o = o.withDefaults()
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   o.MinVersion,
		MaxVersion:   o.MaxVersion,
		CipherSuites: o.CipherSuites,
		NextProtos:   o.ALPN,
	}
	if o.ClientCAs != nil {
		config.ClientCAs = o.ClientCAs
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if o.oldToo {
		config.GetConfigForClient = oldConfig(config)
	}
	return config, leaf, nil
}

// oldConfig returns config as it is for a client without TLS 1.2.
func oldConfig(config *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedVersions, tls.VersionTLS12) ||
			slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
			return nil, nil
		}
		old := config.Clone()
		old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		old.CipherSuites = oldSuites
		return old, nil
	}
}

func (f *Service) serverCertificate(o TLSOptions) (tls.Certificate, error) {
	if o.Certificate == nil {
		return f.Certificate(CertOptions{Names: o.Names})
	}
	if len(o.Certificate.Certificate) == 0 {
		return tls.Certificate{}, errors.New("the server's certificate is empty")
	}
	return *o.Certificate, nil
}

func (o TLSOptions) withDefaults() TLSOptions {
	if o.MaxVersion == 0 {
		o.MaxVersion = tls.VersionTLS13
	}
	if o.MinVersion == 0 {
		o.MinVersion = min(tls.VersionTLS12, o.MaxVersion)
	}
	if o.CipherSuites == nil && o.MinVersion >= tls.VersionTLS12 {
		o.CipherSuites = microsoftSuites
	}
	return o
}
