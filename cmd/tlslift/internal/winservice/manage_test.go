package winservice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeWindows is a System that notes what it is asked for.
type fakeWindows struct {
	did    []string
	fail   string   // what fails
	states []Status // what Query returns in turn; the last one for ever
}

var errRefused = errors.New("access is denied")

func (w *fakeWindows) do(what string) error {
	if what == w.fail {
		return errRefused
	}
	w.did = append(w.did, what)
	return nil
}

func (w *fakeWindows) Protect(dir, acl string) error {
	rights := "reads"
	if strings.Contains(acl, mayWrite) {
		rights = "writes"
	}
	return w.do(rights + " " + dir)
}
func (w *fakeWindows) Create(Definition) error { return w.do("create") }
func (w *fakeWindows) Delete() error           { return w.do("delete") }
func (w *fakeWindows) AddEvents() error        { return w.do("events") }
func (w *fakeWindows) RemoveEvents() error     { return w.do("no events") }
func (w *fakeWindows) Start() error            { return w.do("start") }
func (w *fakeWindows) Control(c Command) error { return w.do(string(c)) }
func (w *fakeWindows) Query() (Status, error) {
	s := w.states[0]
	if len(w.states) > 1 {
		w.states = w.states[1:]
	}
	return s, nil
}

func states(all ...State) []Status {
	var list []Status
	for _, s := range all {
		list = append(list, Status{State: s})
	}
	return list
}

// Each verb asks Windows for what it should, and its error says what to do.
func TestManager(t *testing.T) {
	t.Parallel()
	type verb = func(Manager, context.Context) error
	install := func(m Manager, _ context.Context) error { return m.Install(Definition{}) }
	reload := func(m Manager, _ context.Context) error { return m.Reload() }
	var uninstall, start, stop verb = Manager.Uninstall, Manager.Start, Manager.Stop
	dirs := []string{`reads C:\P\tlslift`, `writes C:\P\tlslift\state`, `writes C:\P\tlslift\log`}
	failed := append(states(Stopped, Starting), Status{State: Stopped, ExitCode: 64})
	for name, tt := range map[string]struct {
		verb   verb
		states []Status
		fail   string
		did    []string
		err    string
	}{
		"install":               {install, states(NotInstalled), "", append(slices.Clone(dirs), "events", "create"), ""},
		"install twice":         {install, states(Running), "", nil, "installed already, and running; `tlslift service uninstall`"},
		"install, not allowed":  {install, states(NotInstalled), "create", append(slices.Clone(dirs), "events", "no events"), "denied"},
		"install, no directory": {install, states(NotInstalled), dirs[1], dirs[:1], `C:\P\tlslift\state: access`},
		"install, no events":    {install, states(NotInstalled), "events", dirs, "event log"},
		"uninstall":             {uninstall, states(Running, Stopping, Stopped), "", []string{"stop", "delete", "no events"}, ""},
		"uninstall, stopped":    {uninstall, states(Stopped), "", []string{"delete", "no events"}, ""},
		"uninstall, none":       {uninstall, states(NotInstalled), "", nil, "`tlslift service install`"},
		"start, ends at once":   {start, states(Stopped, Stopped), "", []string{"start"}, "exit code 0"},
		"start, slow":           {start, states(Stopped, Starting, Starting, Running), "", []string{"start"}, ""},
		"start, runs":           {start, states(Running), "", nil, ""},
		"start, starts":         {start, states(Starting, Running), "", nil, ""},
		"start, fails":          {start, failed, "", []string{"start"}, `exit code 64; the reason is in C:\P\tlslift\log\tlslift.log`},
		"start, refused":        {start, states(Stopped), "start", nil, "denied"},
		"stop":                  {stop, states(Running, Stopping, Stopped), "", []string{"stop"}, ""},
		"stop, stops":           {stop, states(Stopping, Stopped), "", nil, ""},
		"stop, stopped":         {stop, states(Stopped), "", nil, ""},
		"stop, hangs":           {stop, states(Running, Stopping), "", []string{"stop"}, "still stopping, and nothing has changed for 45s"},
		"reload":                {reload, states(Running), "", []string{"reload"}, ""},
		"reload, stopped":       {reload, states(Stopped), "", nil, "`tlslift service start`"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &fakeWindows{states: tt.states, fail: tt.fail}
				err := tt.verb(Manager{System: w, Place: Place{Dir: `C:\P\tlslift`}}, t.Context())
				if !slices.Equal(w.did, tt.did) {
					t.Errorf("did %q, want %q", w.did, tt.did)
				}
				if (err == nil) != (tt.err == "") || !strings.Contains(fmt.Sprint(err), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
			})
		})
	}
}

// A drain that makes progress is waited for, however long it takes; and a person can leave.
func TestManagerWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWindows{states: states(Running)}
		for i := range uint32(10 * patience / queryPause) {
			w.states = append(w.states, Status{State: Stopping, CheckPoint: i / 10})
		}
		w.states = append(w.states, states(Stopped)...)
		if err := (Manager{System: w}).Stop(t.Context()); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := Manager{System: &fakeWindows{states: states(Running, Stopping)}}.Stop(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
