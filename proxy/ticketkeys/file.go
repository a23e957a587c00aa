package ticketkeys

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/atomicfile"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

const (
	// maxFile bounds the file, and maxKeys the keys in it: an operator may write down
	// some days in advance.
	maxFile = 64 << 10
	maxKeys = 100
	// lookEvery is how often Run looks at the file.
	lookEvery = time.Minute
	// silence is how long the same complaint is not repeated.
	silence = 24 * time.Hour
)

// header is the comment that begins the file.
const header = "# Keys of tlslift's session tickets: when a key was made, and its 32 bytes in hex.\n"

// Open reads the keys, or makes the first one. A file of tlslift alone that is of no
// use is replaced, and the log says so.
func Open(o Options) (*Keys, error) {
	k := &Keys{path: o.Path, shared: o.Shared, log: o.Log, now: o.Now, foreign: make(chan struct{}, 1), complains: complaints{}}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.now == nil {
		k.now = time.Now
	}
	keys, err := k.read()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if k.shared {
			return nil, err
		}
		k.complain("the file of the ticket keys is of no use; tlslift makes new keys, and clients do a full handshake", err)
	}
	if len(keys) == 0 {
		first, err := randomKey(k.now())
		if err != nil {
			return nil, err
		}
		keys, k.unsaved = []key{first}, true
	}
	k.use(keys)
	if k.unsaved {
		if err := k.write(keys); err != nil {
			if k.shared {
				return nil, err
			}
			k.complain("the ticket keys are not saved; after a restart, clients do a full handshake", err)
		}
	}
	k.rotate()
	return k, nil
}

// Check returns what is wrong with a file of ticket keys; the error wraps fs.ErrNotExist if
// there is none yet. It writes nothing.
func Check(path string) error {
	_, err := (&Keys{path: path}).read()
	return err
}

// Run makes a new key each day, and follows the changes of the file, until ctx is done.
func (k *Keys) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.refresh()
		case <-k.foreign: // a client can forge one, and must not cause anything to be written
			before := k.current.Load()
			k.follow()
			if k.current.Load() == before {
				k.complainOfReplica()
			}
		}
	}
}

// refresh follows a change of the file, and makes a new key when it is time.
func (k *Keys) refresh() {
	k.follow()
	k.rotate()
}

// follow reads the file again if it has changed.
func (k *Keys) follow() {
	if k.path == "" || k.seen.isOf(k.path) {
		return
	}
	keys, err := k.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.unsaved = true // somebody has removed it
	case err != nil:
		k.complain("the file of the ticket keys cannot be used; the keys read before stay in use", err)
	default:
		k.use(keys)
	}
}

// rotate makes a new key if it is time, and saves what is not saved yet.
func (k *Keys) rotate() {
	keys, now := *k.current.Load(), k.now()
	if isDue(keys, now) {
		next, err := randomKey(now)
		if err != nil {
			k.complain("no ticket key was made; the one before stays in use", err)
			return
		}
		keys = keep(append([]key{next}, keys...), now)
		k.unsaved = true
	}
	if !k.unsaved {
		return
	}
	if err := k.write(keys); err != nil {
		if k.shared { // others could not open what a key of ours seals
			k.complain("no new ticket key was saved; the one before stays in use until somebody writes a new one into the file", err)
			return
		}
		k.complain("the ticket keys are not saved; after a restart, clients do a full handshake", err)
	}
	k.use(keys)
}

// keep returns the keys that are kept after a new one: the last two, and not what a
// clock that was wrong has left in the future.
func keep(keys []key, now time.Time) []key {
	var kept []key
	for _, one := range inOrder(keys) {
		if one.made.Sub(now).Abs() <= keptKeys*keyUse+maxClockError && len(kept) < keptKeys {
			kept = append(kept, one)
		}
	}
	return kept
}

func (k *Keys) use(keys []key) {
	kept := inOrder(append([]key(nil), keys...))
	k.current.Store(&kept)
}

// A stamp tells one state of a file from the next.
type stamp struct {
	info fs.FileInfo
}

// isOf reports whether the file at path is still the one of the stamp.
func (s stamp) isOf(path string) bool {
	info, err := os.Stat(path)
	return err == nil && s.info != nil && os.SameFile(info, s.info) && info.ModTime().Equal(s.info.ModTime()) && info.Size() == s.info.Size()
}

// read returns the keys of the file; none if there is no path.
func (k *Keys) read() ([]key, error) {
	if k.path == "" {
		return nil, nil
	}
	k.stamp() // before it is read, so that a change in between is seen at the next look
	text, err := secretfile.ReadKey(k.path, maxFile)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	keys, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.path, err)
	}
	return keys, nil
}

func (k *Keys) stamp() {
	info, err := os.Stat(k.path)
	if err != nil {
		info = nil
	}
	k.seen = stamp{info}
}

// write saves keys.
func (k *Keys) write(keys []key) error {
	if k.path == "" {
		k.unsaved = false
		return nil
	}
	path, err := filepath.EvalSymlinks(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		path, err = k.path, nil
	}
	if err != nil {
		return err
	}
	text := format(keys)
	defer clear(text)
	if err := atomicfile.Replace(path, text); err != nil {
		return fmt.Errorf("writing %s: %w", k.path, err)
	}
	k.unsaved = false
	k.seen = stamp{} // at the next look it is read again: another replica may have written at the same moment
	return nil
}

func format(keys []key) []byte {
	text := []byte(header)
	for _, one := range keys {
		text = fmt.Appendf(text, "%s %x\n", one.made.Format(time.RFC3339), one.secret)
	}
	return text
}

// parse reads the keys of a file: at least one. Its errors never quote the file.
func parse(text []byte) ([]key, error) {
	var keys []key
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		one, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d %w", number, err)
		}
		if keys = append(keys, one); len(keys) > maxKeys {
			return nil, fmt.Errorf("there are more than %d keys", maxKeys)
		}
	}
	if lines.Err() != nil {
		return nil, errors.New("a line is too long")
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key")
	}
	return keys, nil
}

func parseLine(line string) (key, error) {
	date, digits, _ := strings.Cut(line, " ")
	made, err := time.Parse(time.RFC3339, date)
	if err != nil || made.Year() < 2020 || made.Year() > 2100 {
		return key{}, errors.New("does not begin with a time, for example 2026-11-27T00:00:00Z")
	}
	var secret [secretLen]byte
	digits = strings.TrimSpace(digits)
	if len(digits) != 2*secretLen {
		digits = ""
	}
	if n, err := hex.Decode(secret[:], []byte(digits)); err != nil || n != secretLen {
		return key{}, errors.New("has no key of 64 hex digits after the time; make one with: openssl rand -hex 32")
	}
	return newKey(made, secret)
}

// complaints are when what was logged last.
type complaints map[string]time.Time

// complain logs what is wrong, once a day.
func (k *Keys) complain(what string, err error) {
	now := k.now()
	if last, said := k.complains[what]; said && now.Sub(last).Abs() < silence {
		return
	}
	k.complains[what] = now
	attrs := []any{"problem", what, "file", k.path}
	if err != nil {
		attrs = append(attrs, "error", err.Error())
	}
	k.log.Warn("something is wrong with the keys of session tickets", attrs...)
}

// complainOfReplica says that replicas do not have the same keys.
func (k *Keys) complainOfReplica() {
	if k.shared {
		k.complain("a client has a session ticket of another tlslift whose keys are not in the file: the replicas do not have the same "+
			"TLSLIFT_TICKET_KEYS_FILE", nil)
		return
	}
	k.complain("a client has a session ticket of another tlslift: let the replicas share their keys with TLSLIFT_TICKET_KEYS_FILE", nil)
}
