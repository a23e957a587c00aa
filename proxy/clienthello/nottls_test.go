package clienthello

import (
	"bufio"
	"errors"
	"strings"
	"testing"
)

func TestNotTLS(t *testing.T) {
	t.Parallel()
	for stream, looks := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":          LooksHTTP,
		"get / HTTP/1.0\r\n\r\n":                     LooksHTTP,
		"HEAD / HTTP/1.1\r\n":                        LooksHTTP,
		"POST /ipp HTTP/1.1\r\n":                     LooksHTTP,
		"PUT /x HTTP/1.1\r\n":                        LooksHTTP,
		"OPTIONS * HTTP/1.1\r\n":                     LooksHTTP,
		"CONNECT outlook.office365.com:443 HTTP/1.1": LooksHTTP,
		"RPC_IN_DATA /rpc HTTP/1.1\r\n":              LooksHTTP,
		"VERSION-CONTROL /x HTTP/1.1\r\n":            LooksHTTP,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":           LooksHTTP,
		"GET ":                                       LooksHTTP,
		"PROXY TCP4 10.0.0.1 10.0.0.2 1 443\r\n":     LooksProxyProtocol,
		"PROXY UNKNOWN\r\n":                          LooksProxyProtocol,
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c":     LooksProxyProtocol,
		"GET":                                        LooksUnknown,
		"GETS / HTTP/1.1":                            LooksUnknown,
		"G":                                          LooksUnknown,
		" GET / HTTP/1.1":                            LooksUnknown,
		"EHLO printer\r\n":                           LooksUnknown,
		"USER scanner\r\n":                           LooksUnknown,
		"PROXYING TCP4":                              LooksUnknown,
		"\r\n\r\n":                                   LooksUnknown,
		"SSH-2.0-OpenSSH_9.2\r\n":                    LooksUnknown,
		"\x05\x01\x00":                               LooksUnknown, // SOCKS
		"\x03\x00\x00\x13\x0e\xe0":                   LooksUnknown, // RDP
		"\x15\x03\x01\x00\x02\x02\x28":               LooksUnknown, // TLS alert
		"\x17\x03\x03\x00\x02\x02\x28":               LooksUnknown, // TLS application data
		"\x16\x47\x45\x54\x20":                       LooksUnknown, // no record version
		"\x00":                                       LooksUnknown,
	} {
		// A client that speaks another protocol may wait for an answer: none
		// of it but the first read is awaited.
		h, err := Peek(bufio.NewReaderSize(&lastReader{t, []byte(stream), len(stream)}, MaxSize))
		var notTLS *NotTLSError
		if h != nil || !errors.As(err, &notTLS) || notTLS.Looks != looks || !strings.Contains(err.Error(), looks) {
			t.Errorf("%q: %v, want %s", stream, err, looks)
		}
	}
}
