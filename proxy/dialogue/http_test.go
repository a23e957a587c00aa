package dialogue

import (
	"math/rand"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

const (
	get   = "C: GET /a HTTP/1.1|Host: x|\n"
	empty = "S: HTTP/1.1 200 OK|Content-Length: 0|\n"
)

// A destination that ends the connection between two exchanges ends it in order,
// whichever way; in the middle of one it does not.
func TestHTTPDestinationEnds(t *testing.T) {
	t.Parallel()
	const cut = record.ReasonUpstreamCutOff
	for name, tt := range map[string]struct {
		script string
		want   record.Reason
		lost   bool
	}{
		"nothing was said":         {"", "", false},
		"an empty body":            {get + empty, "", false},
		"a body":                   {get + "S: HTTP/1.1 200 OK|content-LENGTH:  5 ||hello~", "", false},
		"half a body":              {get + "S: HTTP/1.1 200 OK|Content-Length: 5||hell~", cut, false},
		"no body":                  {get + "S: HTTP/1.1 200 OK|Content-Length: 5|", cut, false},
		"half a head":              {get + "S: HTTP/1.1 200 OK|Content-Len~", cut, false},
		"half a status line":       {get + "S: HTTP/1~", cut, false},
		"half a line of no HTTP":   {get + "S: 250 hi~", "", true},
		"unasked for, half a line": {"S: HTTP/1~", "", true},
		"no answer":                {get, cut, false},
		"an answer, and no answer": {get + empty + get, cut, false},
		"two in one write": {"C: GET / HTTP/1.1||GET / HTTP/1.1|\nS: HTTP/1.1 200 OK|Content-Length: 1||aHTTP/1.1 404 No|" +
			"Content-Length: 1||b~", "", false},
		"one of two":                 {"C: GET / HTTP/1.1||GET / HTTP/1.1|\nS: HTTP/1.1 200 OK|Content-Length: 1||a~", cut, false},
		"chunks":                     {get + "S: HTTP/1.1 200 OK|Transfer-Encoding: chunked||5;x=y|hello|00|", "", false},
		"chunks and a trailer":       {get + "S: HTTP/1.1 200 OK|Transfer-Encoding: gzip, Chunked||A|helloworld|0|X: y|", "", false},
		"half a chunk":               {get + "S: HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hell~", cut, false},
		"no last chunk":              {get + "S: HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello", cut, false},
		"half a trailer":             {get + "S: HTTP/1.1 200 OK|Transfer-Encoding: chunked||0|X: ~", cut, false},
		"chunks count, not a length": {get + "S: HTTP/1.1 200 OK|Content-Length: 99|Transfer-Encoding: chunked||0|", "", false},
		"HEAD":                       {"C: HEAD / HTTP/1.1|\nS: HTTP/1.1 200 OK|Content-Length: 500|", "", false},
		"not modified":               {get + "S: HTTP/1.1 304 Not Modified|Content-Length: 500|", "", false},
		"no content":                 {get + "S: HTTP/1.1 204 No Content|", "", false},
		"continue, and an answer":    {"C: POST / HTTP/1.1|Content-Length: 2|\nS: HTTP/1.1 100 Continue|\nC: hi~\n" + empty, "", false},
		"continue, and no answer":    {"C: POST / HTTP/1.1|Content-Length: 2|\nS: HTTP/1.1 100 Continue|\nC: hi~", cut, false},
		"an answer before the body":  {"C: POST / HTTP/1.1|Content-Length: 9||hi~\n" + empty, "", false},
		"a body in chunks": {"C: POST / HTTP/1.1|Transfer-Encoding: chunked||2|hi|0|\n" + empty + "C: |\n" + get + empty, "",
			false},
		"waited long enough":       {get + empty + "S: HTTP/1.1 408 Request Timeout|Content-Length: 0|", "", false},
		"waited, in the middle":    {get + empty + "S: HTTP/1.1 408 Request Timeout|Content-Length: 5||a~", cut, false},
		"bare line feeds":          {"C: GET / HTTP/1.0\n\nS: HTTP/1.0 200 OK\nS: Content-Length: 2|\nS: hi~", "", true},
		"up to the end":            {get + "S: HTTP/1.1 200 OK||hello~", "", true},
		"another coding":           {get + "S: HTTP/1.1 200 OK|Transfer-Encoding: gzip||hello~", "", true},
		"half a request":           {get + empty + "C: GET /b HTTP/1.1|Ho~", "", true},
		"another protocol":         {get + "S: HTTP/1.1 101 Switching|Upgrade: websocket||abc~", "", true},
		"a tunnel":                 {"C: CONNECT a:443 HTTP/1.1|\nS: HTTP/1.1 200 OK||abc~", "", true},
		"a refused tunnel":         {"C: CONNECT a:443 HTTP/1.1|\nS: HTTP/1.1 403 No|Content-Length: 3||abc~", "", false},
		"HTTP/2":                   {"C: PRI * HTTP/2.0||SM|\nS: \x00\x00\x12~", "", true},
		"the server speaks first":  {"S: * OK IMAP", "", true},
		"no HTTP":                  {"C: EHLO x\nS: 250 hi", "", true},
		"no HTTP, in bytes":        {"C: \x00\x01\x02|\nS: abc", "", true},
		"an answer to nothing":     {get + empty + empty, "", true},
		"two lengths":              {get + "S: HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 6||hello~", "", true},
		"the same length twice":    {get + "S: HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 5||hello~", "", false},
		"a length that is none":    {get + "S: HTTP/1.1 200 OK|Content-Length: -5||hello~", "", true},
		"a length beyond all":      {get + "S: HTTP/1.1 200 OK|Content-Length: 99999999999999999999||hello~", "", true},
		"a chunk beyond all":       {get + "S: HTTP/1.1 200 OK|Transfer-Encoding: chunked||fffffffffffffffff|a~", "", true},
		"a chunk without its end":  {get + "S: HTTP/1.1 200 OK|Transfer-Encoding: chunked||1|abc|", "", true},
		"a folded header":          {get + "S: HTTP/1.1 200 OK|X: a| Content-Length: 5||hello~", "", true},
		"a blank before the colon": {get + "S: HTTP/1.1 200 OK|Content-Length : 5||hello~", "", true},
		"a header that is none":    {get + "S: HTTP/1.1 200 OK|abc||", "", true},
		"a long header that hides": {get + "S: HTTP/1.1 200 OK|Content-Length: " + strings.Repeat(" ", 200) + "5||hello~", "", true},
		"a long header of no count": {get + "S: HTTP/1.1 200 OK|Content-Security-Policy: " + strings.Repeat("x", 9000) +
			"|Content-Length: 0|", "", false},
		"a long target": {"C: GET /" + strings.Repeat("x", 9000) + " HTTP/1.1|\n" + empty, "", false},
	} {
		for _, e := range []end{{first: destination}, {first: destination, failed: true}} {
			f := find(t, record.ProtocolHTTP, tt.script, e)
			if reasonOf(f) != tt.want || f.Lost != tt.lost {
				t.Errorf("%s: %q, lost %t; want %q, %t", name, reasonOf(f), f.Lost, tt.want, tt.lost)
			}
		}
	}
}

// A connection that is kept open between two exchanges is idle as it may be. In the
// middle of one it is not.
func TestHTTPIdle(t *testing.T) {
	t.Parallel()
	const idle = record.ReasonIdleTimeout
	for name, tt := range map[string]struct {
		script string
		want   record.Reason
	}{
		"nothing was said":     {"", ""},
		"between":              {get + empty, ""},
		"before the answer":    {get, idle},
		"in the head":          {get + "S: HTTP/1.1 200 OK|Content-Le~", idle},
		"in the answer":        {get + "S: HTTP/1.1 200 OK|Content-Length: 5||hell~", idle},
		"in a chunk":           {get + "S: HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hell~", idle},
		"in a request":         {"C: POST / HTTP/1.1|Content-Length: 5||hell~", idle},
		"after 100":            {"C: POST / HTTP/1.1|Content-Length: 5|\nS: HTTP/1.1 100 Continue|", idle},
		"an early answer":      {"C: POST / HTTP/1.1|Content-Length: 9||hi~\n" + empty, idle},
		"up to the end":        {get + "S: HTTP/1.1 200 OK||hello~", ""},
		"another protocol":     {get + "S: HTTP/1.1 101 Switching|Upgrade: websocket||abc~", ""},
		"HTTP/2":               {"C: PRI * HTTP/2.0||SM|\nS: \x00\x00\x12~", ""},
		"waited long enough":   {get + empty + "S: HTTP/1.1 408 Request Timeout|Content-Length: 0|", ""},
		"a HEAD is answered":   {"C: HEAD / HTTP/1.1|\nS: HTTP/1.1 200 OK|Content-Length: 500|", ""},
		"one of two, together": {"C: GET / HTTP/1.1||GET / HTTP/1.1|\n" + empty, idle},
	} {
		if got := reasonOf(find(t, record.ProtocolHTTP, tt.script, end{idle: true})); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// A client that leaves in the middle of its request has broken it off. In the middle of
// the answer, how it has left tells.
func TestHTTPClientEnds(t *testing.T) {
	t.Parallel()
	const half = "C: POST / HTTP/1.1|Content-Length: 5||hell~\n"
	for name, tt := range map[string]struct {
		script string
		want   record.Reason
		lost   bool
	}{
		"between":                   {get + empty, "", false},
		"in the answer":             {get + "S: HTTP/1.1 200 OK|Content-Length: 5||hell~", "", true},
		"before the answer":         {get, "", true},
		"in its request":            {half, record.ReasonClientCutOff, false},
		"in its chunks":             {"C: POST / HTTP/1.1|Transfer-Encoding: chunked||5|hello", record.ReasonClientCutOff, false},
		"in its request, continued": {half + "S: HTTP/1.1 100 Continue|", record.ReasonClientCutOff, false},
		"after an early answer":     {half + empty, "", false},
	} {
		f := find(t, record.ProtocolHTTP, tt.script, end{first: client})
		if reasonOf(f) != tt.want || f.Lost != tt.lost {
			t.Errorf("%s: %q, lost %t; want %q, %t", name, reasonOf(f), f.Lost, tt.want, tt.lost)
		}
	}
}

// Nothing of what is secret is held.
func TestHTTPHoldsNoSecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"GET /?token=secret HTTP/1.1\r\n", "GET / HTTP/1.1\r\nAuthorization: Basic secret", "GET / HTTP/1.1\r\nCookie:secret",
		"GET / HTTP/1.1\r\nCookie: a\r\n secret", "POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nsecret", "GET\tsecret",
	} {
		h := newHTTP()
		for _, b := range []byte(text) {
			h.fromClient([]byte{b})
			if strings.Contains(string(h.request.line.head), "secr") && text != "GET\tsecret" {
				t.Errorf("%q: holds %q", text, h.request.line.head)
			}
		}
		if n := cap(h.request.line.head); n > 2*maxField {
			t.Errorf("%q: holds %d bytes", text, n)
		}
	}
}

// More requests without an answer than anybody sends are not counted.
func TestHTTPPendingIsBounded(t *testing.T) {
	t.Parallel()
	h := newHTTP()
	h.fromClient([]byte(strings.Repeat("GET / HTTP/1.1\r\n\r\n", maxPending+1)))
	if !h.lost || len(h.pending.items) > maxPending {
		t.Errorf("lost %t with %d pending", h.lost, len(h.pending.items))
	}
}

func FuzzHTTP(f *testing.F) {
	for i, seed := range []string{
		get + empty, "C: POST / HTTP/1.1|Transfer-Encoding: chunked||2|hi|0|\nS: HTTP/1.1 200 OK|Transfer-Encoding: chunked||2;a|hi|0|X: y|",
		"C: HEAD / HTTP/1.1||CONNECT a HTTP/1.1|\nS: HTTP/1.1 100 Continue||HTTP/1.1 200 OK|Content-Length: 5|",
		get + "S: HTTP/1.1 200 OK||abc~", get + "S: HTTP/1.1 408 OK|Content-Length: 3||ab~", "C: PRI * HTTP/2.0|",
	} {
		f.Add([]byte(seed), int64(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, random int64) {
		turns := script(string(text))
		whole, cut := newHTTP(), newHTTP()
		watch(whole, turns, func() int { return 1 << 30 })
		cuts := rand.New(rand.NewSource(random))
		watch(cut, turns, func() int { return 1 + cuts.Intn(20) })
		for _, e := range []end{{}, {first: client}, {first: destination}, {first: destination, failed: true}, {idle: true}} {
			a, b := whole.finding(e), cut.finding(e)
			if reasonOf(a) != reasonOf(b) || a.Lost != b.Lost {
				t.Errorf("%+v: whole %+v, cut %+v", e, a, b)
			}
		}
		for _, s := range []*httpStream{cut.request, cut.response} {
			if len(s.line.head) > maxField {
				t.Errorf("%d bytes are held", len(s.line.head))
			}
		}
	})
}
