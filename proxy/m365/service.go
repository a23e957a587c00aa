package m365

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	serviceURL     = "https://endpoints.office.com"
	requestTimeout = 30 * time.Second // of one request with its answer
	// maxVersion is far above the 60 bytes that the service sends.
	maxVersion = 64 << 10
	// maxAhead is twice as long as Microsoft publishes changes ahead.
	maxAhead = 60 * 24 * time.Hour
)

// serviceName returns the service's name of an instance.
func serviceName(i Instance) (string, error) {
	name, ok := map[Instance]string{Worldwide: "Worldwide", GCCHigh: "USGovGCCHigh", DoD: "USGovDoD", China: "China"}[Instance(i.String())]
	if !ok {
		return "", unknownInstance(i.String())
	}
	return name, nil
}

// A throttled is the wish of the service to be asked less.
type throttled struct {
	status string
	wait   time.Duration
}

func (t throttled) Error() string {
	return fmt.Sprintf("the answer is %s: to be asked again in %s", t.status, t.wait.Round(time.Minute))
}

// latest asks for the newest version.
func (r *Refresher) latest(ctx context.Context) (string, error) {
	body, err := r.get(ctx, "version", maxVersion)
	if err != nil {
		return "", err
	}
	var answer struct{ Instance, Latest string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("reading the version: %w", err)
	}
	if !strings.EqualFold(answer.Instance, r.name) || !isVersion(answer.Latest) {
		return "", fmt.Errorf("reading the version: %q of instance %q is none of %s",
			netname.Cut(answer.Latest, maxShown), netname.Cut(answer.Instance, maxShown), r.name)
	}
	// One of the far future would be the newest for ever.
	if limit := time.Now().Add(maxAhead).Format("20060102") + "99"; answer.Latest > limit {
		return "", fmt.Errorf("reading the version: %s is of the far future", answer.Latest)
	}
	return answer.Latest, nil
}

// list asks for the newest list.
func (r *Refresher) list(ctx context.Context) ([]byte, error) {
	body, err := r.get(ctx, "endpoints", MaxList)
	if err != nil {
		return nil, err
	}
	if !json.Valid(body) {
		return nil, errors.New("reading the list: it is not JSON")
	}
	return body, nil
}

// get asks one of the service's methods for the instance.
func (r *Refresher) get(ctx context.Context, method string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	where := fmt.Sprintf("%s/%s/%s", serviceURL, method, r.name)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where+"?ClientRequestId="+r.state.ClientRequestID, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "tlslift")
	request.Header.Set("Accept", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", where, cause(err))
	}
	defer response.Body.Close() // only read from
	if err := checkStatus(response); err != nil {
		return nil, fmt.Errorf("asking %s: %w", where, err)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("asking %s: reading the answer: %w", where, err)
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("asking %s: the answer has more than %d bytes", where, limit)
	}
	return body, nil
}

// cause is an error of http.Client without the URL, which the caller adds.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func checkStatus(response *http.Response) error {
	after := response.Header.Get("Retry-After")
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && after != "":
		return throttled{statusOf(code), retryAfter(after, time.Now())}
	default:
		return fmt.Errorf("the answer is %s", statusOf(code))
	}
}

// statusOf does not repeat the text of the answer, which anybody may have
// written.
func statusOf(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// retryAfter reads the header of RFC 9110 section 10.2.3, within bounds. What
// cannot be read counts as the least.
func retryAfter(header string, now time.Time) time.Duration {
	wait := minWait
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(header); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, minWait), maxWait)
}
