package entra

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// answerTimeout is how long Entra may take for one answer.
	answerTimeout = 10 * time.Second
	// maxAnswer is how many bytes an answer may have.
	maxAnswer = 1 << 20
)

// hosts are those of Entra in all clouds, with their other names.
var hosts = []string{
	"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net",
	"login.microsoftonline.us", "login.usgovcloudapi.net", "login.partner.microsoftonline.cn", "login.chinacloudapi.cn",
}

// errOtherHost is a request to a host that is not Entra's: where a secret is sent stands in
// an answer.
var errOtherHost = errors.New("an answer names a host that is not Entra's")

var errAnswerTooLarge = errors.New("the answer is larger than a megabyte")

// A transport limits what Entra can do to us, and sees the time that it sends.
type transport struct {
	next  http.RoundTripper
	now   func() time.Time
	hosts []string     // that may be asked, by HTTPS; nil means any
	skew  atomic.Int64 // how far our clock was behind at the last answer, a time.Duration
}

// client returns an HTTP client for the library. It follows no redirect: what is
// sent are secrets.
func (t *transport) client() *http.Client {
	return &http.Client{
		Transport:     t,
		Timeout:       answerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RoundTrip sends a request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.hosts != nil && (r.URL.Scheme != "https" || !slices.Contains(t.hosts, strings.ToLower(r.URL.Host))) {
		return nil, errOtherHost
	}
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if at, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		t.skew.Store(int64(at.Sub(t.now())))
	}
	answer.Body = &limitedBody{ReadCloser: answer.Body, left: maxAnswer}
	return answer, nil
}

// CloseIdleConnections closes connections that are not in use.
func (t *transport) CloseIdleConnections() {
	if c, can := t.next.(interface{ CloseIdleConnections() }); can {
		c.CloseIdleConnections()
	}
}

// A limitedBody fails where an answer is too large.
type limitedBody struct {
	io.ReadCloser
	left int
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errAnswerTooLarge
	}
	return n, err
}
