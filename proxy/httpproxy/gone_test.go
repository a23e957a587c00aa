package httpproxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// answers is a round trip of a destination that is left in the middle, and ends its answer
// all the same, as if nothing had happened.
type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// readFunc is a body.
type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// A destination that ends its answer when it is left does not make the answer whole: the
// client has not had it.
func TestDestinationEndsWhenLeft(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sends string // the body of the request; it breaks off
		body  func(leave func()) io.Reader
		want  record.Reason
	}{
		"before an answer without a body": {"", func(leave func()) io.Reader {
			leave()
			return nil
		}, record.ReasonClientCutOff},
		"before the body": {"", func(leave func()) io.Reader { leave(); return strings.NewReader("all") }, record.ReasonClientCutOff},
		"in the body": {"", func(leave func()) io.Reader {
			return readFunc(func([]byte) (int, error) {
				leave()
				return 0, io.EOF
			})
		}, record.ReasonClientCutOff},
		"in its own request": {"half", func(func()) io.Reader { return nil }, record.ReasonClientCutOff},
		"never":              {"", func(func()) io.Reader { return strings.NewReader("all") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := &session{}
			v.Record, v.lastErr = &record.Record{}, io.EOF
			ctx, leave := context.WithCancel(context.WithValue(t.Context(), sessionKey{}, v))
			defer leave()
			s := &Server{secure: answers(func(r *http.Request) (*http.Response, error) {
				_, _ = io.Copy(io.Discard, r.Body)
				resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}
				if body := tt.body(leave); body != nil {
					resp.Body = io.NopCloser(body)
				}
				return resp, nil
			})}
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "https://outlook.office365.com/", http.NoBody)
			if tt.sends != "" {
				r.Body = &requestBody{Reader: io.MultiReader(strings.NewReader(tt.sends), readFunc(brokenOff)), session: v, ended: true}
			}
			resp, err := s.roundTrip(r, nil)
			var f *record.Failure
			switch {
			case errors.As(err, &f):
			case err != nil:
				t.Fatal(err)
			default:
				_, _ = io.Copy(io.Discard, resp.Body)
			}
			got := v.Record.Reason
			if f != nil {
				got = f.Reason
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func brokenOff([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
