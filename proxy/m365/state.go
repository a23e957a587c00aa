package m365

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"

	"github.com/tlslift/tlslift/proxy/netname"
)

// maxState bounds the state that is read: the list, and a little more.
const maxState = MaxList + 64<<10

// rejectedFor is how long a rejected version is not asked for again.
const rejectedFor = 24 * time.Hour

// A Saved is what a Store has. The zero value is nothing.
type Saved struct {
	Version string    // of the list that was accepted last, YYYYMMDDNN; empty: none was
	List    []byte    // JSON; nil without a version
	Current time.Time // when the list in force, that one or the one built in, was last known to be the newest
}

// A state is what outlives the process. The zero value is not one: newState
// makes it.
type state struct {
	Instance string `json:"instance"`
	// ClientRequestID is the number by which the operators of the service
	// distinguish our questions from those of others.
	ClientRequestID string    `json:"client_request_id"`
	Next            time.Time `json:"next"`             // nothing is asked before; zero: ask now
	Current         time.Time `json:"current,omitzero"` // of the list in force, built in or not
	RejectedVersion string    `json:"rejected_version,omitempty"`
	RejectedAt      time.Time `json:"rejected_at,omitzero"`
	// Version and List are those of the list that was accepted last; both or
	// none.
	Version string          `json:"version,omitempty"`
	List    json.RawMessage `json:"list,omitempty"`
}

func newState(instance string) state {
	return state{Instance: instance, ClientRequestID: uuid.NewString()}
}

// ReadSaved returns what a store has for an instance, without asking the
// service. Nothing saved is no error.
func ReadSaved(store Store, instance Instance) (Saved, error) {
	name, err := serviceName(instance)
	if err != nil {
		return Saved{}, err
	}
	s, err := readState(store, name)
	if err != nil {
		return Saved{}, err
	}
	return Saved{Version: s.Version, List: s.List, Current: s.Current}, nil
}

// readState returns a new state when nothing was saved, and also with an error.
func readState(store Store, instance string) (state, error) {
	fresh := newState(instance)
	text, err := store.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, fmt.Errorf("reading the saved list of endpoints: %w", err)
	}
	s, err := parseState(text, instance)
	if err != nil {
		return fresh, fmt.Errorf("reading the saved list of endpoints: %w", err)
	}
	return s, nil
}

// parseState reads what save has written, or what somebody else has.
func parseState(text []byte, instance string) (state, error) {
	var s state
	if len(text) > maxState {
		return state{}, fmt.Errorf("it has more than %d bytes", maxState)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, err
	}
	switch {
	case s.Instance != instance:
		return state{}, fmt.Errorf("it is of instance %q", netname.Cut(s.Instance, maxShown))
	case !isID(s.ClientRequestID):
		return state{}, errors.New("the client request id is not one")
	case (s.Version == "") != (len(s.List) == 0), s.Version != "" && !isVersion(s.Version):
		return state{}, errors.New("it has no list with a version")
	}
	return s, nil
}

func (s *state) save(store Store) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // the list would grow
	if err := encoder.Encode(s); err != nil {
		return err
	}
	return store.Save(b.Bytes())
}

func (s *state) hasList() bool { return s.Version != "" }

// forget drops the list. The version is asked for again in due time.
func (s *state) forget() {
	s.Version, s.List, s.Current = "", nil, time.Time{}
}

func (s *state) accept(version string, list []byte, now time.Time) {
	s.Version, s.List, s.Current = version, list, now
	s.RejectedVersion, s.RejectedAt = "", time.Time{}
}

func (s *state) reject(version string, now time.Time) {
	s.RejectedVersion, s.RejectedAt = version, now
}

// rejects reports whether a version was rejected less than a day ago.
func (s *state) rejects(version string, now time.Time) bool {
	age := now.Sub(s.RejectedAt)
	return version == s.RejectedVersion && age >= 0 && age < rejectedFor
}

// delay is how long the next question must wait. What is further away than any
// wait comes from a clock that was wrong.
func (s *state) delay(now time.Time) time.Duration {
	wait := s.Next.Sub(now)
	if wait > maxWait+maxJitter {
		return 0
	}
	return max(wait, 0)
}

// isID reports whether s is a UUID in its usual form (RFC 9562 section 4).
func isID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }
