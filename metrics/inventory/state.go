package inventory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/tlslift/tlslift/metrics/burndown"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	stateVersion = 1
	// maxState bounds what is saved and read. Ten thousand ordinary clients
	// take about as much.
	maxState = 8 << 20
	// Changes are saved after saveEvery, a new client after checkEvery already; and never
	// more often than saveRate bytes a second permit: the state may be on flash memory.
	saveEvery  = time.Minute
	checkEvery = 5 * time.Second
	saveRate   = 4 << 10
)

// A Store keeps one text between runs.
type Store interface {
	// Load returns the text. The error wraps fs.ErrNotExist if there is none.
	Load() ([]byte, error)
	// Save replaces the text atomically: after a crash there is the old one or
	// the new one.
	Save([]byte) error
	// SetAside renames the text, so that Save does not overwrite it and an
	// administrator can look at it.
	SetAside() error
}

// A state is what is saved.
type state struct {
	Version int               `json:"version"`
	Days    []json.RawMessage `json:"days"`
	Clients []Client          `json:"clients"`
}

// load adds the clients that the store has.
func (v *Inventory) load() {
	if v.options.Store == nil {
		return
	}
	text, err := v.options.Store.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var saved State
	if err == nil {
		saved, err = decode(text, v.clients.max)
	}
	if err != nil {
		v.log.Warn("the saved list of clients cannot be read: it is set aside, and a new one begins",
			"error", err, "setting_aside", v.options.Store.SetAside())
		return
	}
	v.restore(saved.Clients)
	v.days = burndown.Of(saved.Days, time.Now())
	v.expire(time.Now())
}

// restore adds saved clients, those seen last at the end so that they stay when
// there are too many.
func (v *Inventory) restore(clients []Client) {
	slices.SortFunc(clients, func(a, b Client) int { return a.LastSeen.Compare(b.LastSeen) })
	for _, c := range clients {
		if e, known := v.clients.admit(c.Client, c.Address, c.standing()); e != nil && !known {
			e.client = c
			if c.HostConfirmed {
				v.dns.hosts[c.Address] = host{name: c.Host, confirmed: true}
			}
		}
	}
}

// standing returns the standing that the client had, as far as the saved fields show.
func (c *Client) standing() record.Standing {
	var last record.Reason
	if c.Failure != nil {
		last = c.Failure.Reason
	}
	s := record.StandingOf(c.Name, last, c.Outcomes[record.OutcomePassed]+c.Outcomes[record.OutcomeLifted] > 0)
	if s == record.StandingServed && c.LastSeen.Sub(c.FirstSeen) >= record.RegularAfter {
		return record.StandingRegular
	}
	return s
}

// note notes that what is known of a client has changed. That is written soon if it was
// served or has a name. Of any other client it is written only together with something
// else, or at the end: anyone can be one, and the state may be on flash memory.
func (v *Inventory) note(c *Client) {
	v.minor = true
	v.unsaved = v.unsaved || c.standing() >= record.StandingServed
}

// Run expires clients, asks reverse DNS, and saves changes: every minute, less
// often when there is much to write, and when ctx is done. Then it returns.
func (v *Inventory) Run(ctx context.Context) {
	var lookups sync.WaitGroup
	startLookups(ctx, v, &lookups)
	s := saver{v: v}
	ticks := time.NewTicker(checkEvery)
	defer ticks.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-ticks.C:
			v.expire(now)
			countDay(v, now)
			s.saveIfDue(now)
		}
	}
	lookups.Wait()
	v.mu.Lock()
	v.unsaved = v.unsaved || v.minor
	v.mu.Unlock()
	s.save()
}

// A saver saves an inventory. It belongs to one goroutine.
type saver struct {
	v       *Inventory
	tried   time.Time
	failing bool
	size    int // of what was saved last
}

func (s *saver) saveIfDue(now time.Time) {
	s.v.mu.Lock()
	fresh := s.v.fresh
	s.v.mu.Unlock()
	wait := saveEvery
	if fresh && !s.failing {
		wait = checkEvery
	}
	wait = max(wait, time.Duration(s.size/saveRate)*time.Second)
	if now.Sub(s.tried) >= wait {
		s.tried = now
		s.save()
	}
}

// save saves the changes. A failure is logged once, and tried again later.
func (s *saver) save() {
	if s.v.options.Store == nil || !s.v.beginSave() {
		return
	}
	text := StateOf(s.v).Encode()
	s.size = len(text)
	err := s.v.options.Store.Save(text)
	switch {
	case err != nil && !s.failing:
		s.v.log.Error("the list of clients cannot be saved; trying again every minute", "error", err,
			"remedy", "make room on the disk of the state directory, and let tlslift's user write there")
	case err == nil && s.failing:
		s.v.log.Info("the list of clients can be saved again")
	}
	s.failing = err != nil
	if s.failing {
		s.v.mu.Lock()
		defer s.v.mu.Unlock()
		s.v.unsaved = true
	}
}

// beginSave reports whether there is something to save, and marks it as saved.
func (v *Inventory) beginSave() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.unsaved {
		return false
	}
	v.unsaved, v.minor, v.fresh = false, false, false
	return true
}

// encode returns the state, a line for the days and for each client. Above the limit, those without a name
// that were seen longest ago are left out.
func encode(clients []Client, days []burndown.Day) []byte {
	slices.SortStableFunc(clients, func(a, b Client) int {
		return cmp.Compare(min(len(b.Name), 1), min(len(a.Name), 1))
	})
	const clientsKey, tail = `"clients":[`, "\n]}\n"
	b := bytes.NewBufferString(`{"version":1,`)
	if text, err := json.Marshal(days); err == nil && len(days) > 0 {
		fmt.Fprintf(b, "\"days\":%s,\n", text)
	}
	b.WriteString(clientsKey)
	first := b.Len()
	for _, c := range clients {
		if c.Failure != nil {
			c.Failure.Fault, c.Failure.Cause, c.Failure.Remedy = "", "", "" // decode reads them from the table of reasons
		}
		line, err := json.Marshal(c)
		if err != nil {
			continue // a time beyond the year 9999
		}
		if b.Len()+len(line)+len(tail)+2 > maxState {
			break
		}
		if b.Len() > first {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	b.WriteString(tail)
	return b.Bytes()
}

// decode returns the days and the clients with a name of what encode has written, and the
// first max of the others, with every field within its bounds, whatever the file has.
func decode(text []byte, max int) (State, error) {
	if len(text) > maxState {
		return State{}, fmt.Errorf("more than %d bytes", maxState)
	}
	var s state
	err := json.Unmarshal(text, &s)
	if s.Version != stateVersion && s.Version != 0 { // its clients may be of another form
		err = nil
	}
	if err != nil {
		return State{}, fmt.Errorf("reading the list of clients: %w", err)
	}
	if s.Version != stateVersion {
		return State{}, fmt.Errorf("the list of clients has version %d, and this tlslift reads version %d", s.Version, stateVersion)
	}
	clients := s.Clients[:0]
	unnamed := 0
	for _, c := range s.Clients {
		c.bound()
		if c.Client == "" || !c.Address.IsValid() || c.Name == "" && unnamed >= max {
			continue
		}
		clients = append(clients, c)
		if c.Name == "" {
			unnamed++
		}
	}
	return State{Clients: clients, Days: decodeDays(s.Days)}, nil
}

// decodeDays returns the days that can be read: what is wrong with one takes no client.
func decodeDays(texts []json.RawMessage) (days []burndown.Day) {
	for _, text := range texts {
		var d burndown.Day
		if json.Unmarshal(text, &d) == nil {
			days = append(days, d)
		}
	}
	return days
}

// bound limits the fields of a client as add does.
func (c *Client) bound() {
	for _, s := range []*string{&c.Client, &c.Name, &c.Host, &c.Offered, &c.JA3, &c.JA4,
		&c.Version, &c.CipherSuite, &c.KeyExchange, &c.Mailbox, &c.Login, &c.SMTPReply} {
		*s = clean(*s)
	}
	if c.Rule.Meaning() == "" {
		c.Rule = "" // of another version
	}
	c.Address = c.Address.WithZone(clean(c.Address.Zone()))
	c.Protocols = boundList(c.Protocols, maxProtocols)
	slices.Sort(c.Protocols)
	c.Destinations = boundList(c.Destinations, maxDestinations)
	c.Listeners = boundList(c.Listeners, maxListeners)
	c.MailPause = max(0, min(c.MailPause, Seconds(maxPause/time.Second)))
	c.boundOutcomes()
	c.needOfBefore()
	if f := c.Failure; f != nil {
		f.Fault, f.Cause, f.Remedy = f.Reason.Fault(), f.Reason.Cause(), f.Reason.Remedy()
		f.Detail = netname.Text(f.Detail, maxDetail)
		f.Reason = record.Reason(clean(string(f.Reason)))
	}
}

// needOfBefore fills in what a state of an earlier version does not have.
func (c *Client) needOfBefore() {
	if !c.LastLegacy.IsZero() || !c.LastCapable.IsZero() {
		return
	}
	r := record.Record{Rule: c.Rule}
	if c.Failure != nil && c.Rule == "" {
		r.Reason = c.Failure.Reason
	}
	switch r.Need() {
	case record.NeedLifting:
		c.LastLegacy = c.LastSeen
	case record.NeedNone:
		c.LastCapable, c.LastLegacy = c.LastSeen, c.LastLifted
	case record.NeedUnknown:
		c.LastLegacy = c.LastLifted
	}
}

func (c *Client) boundOutcomes() {
	counts := make(map[record.Outcome]uint64)
	for _, o := range record.Outcomes() {
		if n := c.Outcomes[o]; n > 0 {
			counts[o] = n
		}
	}
	c.Outcomes = counts
}

func boundList(list []string, max int) []string {
	list = slices.Clone(list[:min(len(list), max)])
	for i := range list {
		list[i] = clean(list[i])
	}
	return list
}
