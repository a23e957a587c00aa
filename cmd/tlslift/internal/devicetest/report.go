package devicetest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/checkclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/plan"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/listener"
)

// The names of fields, in JSON too, are a public interface.

// A Report is what a test has found.
type Report struct {
	Devices []Device `json:"devices"`
	wanted  int
}

// A Device is what a test has found of one device.
type Device struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"` // in the clients file
	// Works means that it can be served, with the entry, and sign in as things are configured
	// now; Finished, that all was tried.
	Works    bool                `json:"works"`
	Finished bool                `json:"finished"`
	Action   string              `json:"action"` // pass, lift, refuse, relay; empty if it is not known
	Supports []checkclient.Field `json:"supports"`
	Tlslift  []checkclient.Field `json:"tlslift"` // what tlslift will do with it
	// Entry is what to paste into the clients file; empty if nothing is needed. Replaces
	// means in the place of the entry that the device has there.
	Entry    string              `json:"entry,omitempty"`
	Replaces bool                `json:"replaces,omitempty"`
	Panel    []checkclient.Panel `json:"panel"`
	CA       string              `json:"ca"`
	Steps    []Step              `json:"steps"`
}

// Err returns why a test was no success; nil if it was one.
func (r *Report) Err() error {
	works := 0
	for _, d := range r.Devices {
		if d.Works {
			works++
		}
	}
	switch {
	case len(r.Devices) == 0:
		return errors.New("no device has come")
	case works < len(r.Devices):
		return fmt.Errorf("%d of %d devices cannot be served as things are, or not all was tried", len(r.Devices)-works, len(r.Devices))
	case works < r.wanted:
		return fmt.Errorf("%d of %d devices have come", works, r.wanted)
	}
	return nil
}

// report returns what is known of all devices.
func (t *tester) report() *Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &Report{Devices: []Device{}, wanted: t.Devices}
	for _, d := range t.devices {
		if slices.ContainsFunc(d.tries, func(try plan.Try) bool { return try.Outcome != plan.Nothing }) {
			r.Devices = append(r.Devices, t.describe(d))
		}
	}
	return r
}

// describe says what is known of one device.
func (t *tester) describe(d *device) Device {
	s := subject{tester: t, device: d, best: &d.plan.Best}
	if s.best.Listener == "" { // nothing has counted
		s.best = &d.tries[len(d.tries)-1]
	}
	s.url = t.inService(s.best.Listener)
	options := d.plan.Options()
	if !d.plan.Works && s.best.Outcome < plan.Silent { // they have not helped
		options = d.options
	}
	shown := Device{
		Address: d.addr.String(), Name: d.options.Name, Works: d.plan.Works, Finished: d.plan.Done(), Steps: d.steps,
		Supports: supports(d, s.best), Panel: []checkclient.Panel{},
	}
	_, signsIn := s.signIn()
	shown.Works = shown.Works && signsIn
	shown.Action, shown.Tlslift = s.tlslift(options)
	if options != d.options {
		_, addr, found := t.clients.Called(d.options.Name)
		shown.Replaces = found && addr == d.addr
		written := options
		if !shown.Replaces {
			written.Name = "" // it may be that of a network
		}
		shown.Entry = clientfile.Entry(d.addr, written)
		if !shown.Replaces && d.options.Name != "" {
			shown.Tlslift = append(shown.Tlslift, checkclient.Field{
				Name: "name", Value: "with the entry it has a name of its own, and is not " + d.options.Name + " any more, also for the sign-in file",
			})
		}
	}
	panels, ca, err := checkclient.PanelsOf(t.Settings, t.Machine, d.addr, options, []listener.URL{s.url})
	if err == nil {
		shown.Panel, shown.CA = panels, s.trust(shown.Action, ca)
	}
	return shown
}

// fields are those that are known.
type fields []checkclient.Field

func (f *fields) add(name, value string) {
	if value != "" {
		*f = append(*f, checkclient.Field{Name: name, Value: value})
	}
}

// Print writes a report, or its JSON.
func (r *Report) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printing.JSON(w, r)
	}
	var b strings.Builder
	for _, d := range r.Devices {
		b.WriteString(d.text())
	}
	if len(r.Devices) == 0 {
		b.WriteString("\nNo device has come.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text returns what is known of a device, for people.
func (d *Device) text() string {
	var b strings.Builder
	name := d.Address
	if d.Name != "" {
		name = d.Name + " (" + d.Address + ")"
	}
	fmt.Fprintf(&b, "\n%s\n%s\n", name, strings.Repeat("=", len(name)))
	checkclient.Section(&b, "What it can do", d.Supports)
	checkclient.Section(&b, "What tlslift will do with it", d.Tlslift)
	if d.Entry != "" {
		b.WriteString("\nWhat to write into the clients file (TLSLIFT_CLIENTS_FILE), below \"clients:\"\n")
		if d.Replaces {
			b.WriteString("  (in the place of the entry that it has there)\n")
		}
		b.WriteString(d.Entry)
		b.WriteString("  (a tlslift that runs reads it after systemctl reload tlslift)\n")
	}
	for _, p := range d.Panel {
		checkclient.Section(&b, "What to type on its panel, for "+p.Listener, p.Type)
	}
	checkclient.Section(&b, "What it has to trust", []checkclient.Field{{Name: "ca", Value: d.CA}})
	return b.String()
}
