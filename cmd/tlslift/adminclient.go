package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

const (
	// maxAnswer is above the answer about the most clients that are kept.
	maxAnswer     = 256 << 20
	answerTimeout = time.Minute
)

// A question is one to the admin address of a running tlslift.
type question struct {
	path  string
	query url.Values
	// wait is how long the answer may take beyond what it usually takes.
	wait time.Duration
}

// A notAnswering is an error of not reaching a tlslift, as opposed to what it
// answers.
type notAnswering struct{ error }

func (n notAnswering) Unwrap() error { return n.error }

// askAdmin returns the answer of the tlslift that has its admin listener where
// the settings say.
func askAdmin(ctx context.Context, cfg *settings.Config, q question) ([]byte, error) {
	if cfg.AdminListen == "" {
		return nil, errors.New(settings.Prefix + "ADMIN_LISTEN is empty, so there is nobody to ask; give it an address, and restart tlslift with it")
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout+q.wait)
	defer cancel()
	transport, scheme, err := adminTransport(cfg)
	if err != nil {
		return nil, err
	}
	where := scheme + "://" + reachable(cfg.AdminListen)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where+q.path+"?"+q.query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, notAnswering{fmt.Errorf("asking %s: %w; is tlslift running with the same %sADMIN_LISTEN?", where, settings.SystemError(err), settings.Prefix)}
	}
	defer response.Body.Close() // only read from
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, notAnswering{fmt.Errorf("reading the answer of %s: %w", where, err)}
	}
	switch response.StatusCode {
	case http.StatusOK:
		return text, nil
	case http.StatusUnauthorized:
		return nil, fmt.Errorf("asking %s: it asks for a password, of which %sADMIN_WEB_CONFIG_FILE has only the hash; use curl -u with %s%s", where, settings.Prefix, where, q.path)
	default:
		return nil, fmt.Errorf("asking %s%s: %s; is it a tlslift of the same version?", where, q.path, saidIn(response.Status, text))
	}
}

// saidIn returns the words of an error answer.
func saidIn(status string, text []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &answer) == nil && answer.Error != "" {
		return oneLine(answer.Error, maxHealthAnswer)
	}
	return oneLine(status, maxHealthAnswer)
}

// askJSON is askAdmin for an answer in JSON.
func askJSON(ctx context.Context, cfg *settings.Config, q question, into any) error {
	text, err := askAdmin(ctx, cfg, q)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading the answer about %s: %w; is it a tlslift of the same version?", q.path, err)
	}
	return nil
}

// harmless takes out of a whole text what a terminal would act on.
func harmless(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return r
		}
		if printable := oneLine(string(r), 1); printable != string(r) {
			return '\ufffd'
		}
		return r
	}, string(text))
}
