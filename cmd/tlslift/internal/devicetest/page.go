package devicetest

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/proxy/admission"
)

// tokenLength is how many characters of base32 make the path of the page: 80 bits.
const tokenLength = 16

// A page shows a test to who stands at the device. It changes nothing, and whoever does not
// know its path finds nothing.
type page struct {
	server  *http.Server
	serving sync.WaitGroup
	url     string
}

// openPage opens the page; without an address there is none.
func (t *tester) openPage(ctx context.Context) error {
	if t.Page == "" {
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", t.Page)
	if err != nil {
		return fmt.Errorf("--page: cannot listen on %s: %w; choose another address, or --page off", t.Page, err)
	}
	token := strings.ToLower(rand.Text()[:tokenLength])
	p := &page{server: admin.NewServer(admin.NewPublicHandler(t.handler("/" + token)))}
	p.url = "http://" + t.reachable(ln.Addr().String()) + "/" + token
	p.serving.Go(func() { _ = admin.ServePublic(ln, p.server) }) // its error is that it was closed
	t.pages = p
	return nil
}

// close ends the page, and waits for it.
func (p *page) close() {
	if p == nil {
		return
	}
	_ = p.server.Close() // nothing is left to be served
	p.serving.Wait()
}

// handler serves the page at its path to the client networks.
func (t *tester) handler(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !admission.Within(t.Settings.ClientNets, from.Addr().Unmap().WithZone("")) ||
			subtle.ConstantTimeCompare([]byte(r.URL.Path), []byte(path)) != 1 {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		w.Header().Set("Referrer-Policy", "no-referrer")
		_ = pageTemplate.Execute(w, t.shown()) // an error is that the phone has left
	})
}

// A shownDevice is a device on the page.
type shownDevice struct {
	Name     string
	Steps    []Step // the newest first
	Ask, Why string
	Done     bool
}

// shown returns what the page has.
func (t *tester) shown() any {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []shownDevice
	for _, d := range t.devices {
		s := shownDevice{
			Name: strings.TrimSpace(d.options.Name + " " + d.addr.String()), Ask: d.plan.Ask, Why: d.plan.Why,
			Done: d.plan.Done(),
		}
		for i := len(d.steps) - 1; i >= 0; i-- {
			s.Steps = append(s.Steps, d.steps[i])
		}
		all = append(all, s)
	}
	var addresses []string
	for _, s := range t.sockets {
		addresses = append(addresses, string(s.URL.Scheme)+" "+t.reachable(s.URL.Address))
	}
	return map[string]any{"Devices": all, "Addresses": addresses, "Ended": t.ended}
}

// pageTemplate is made for a phone. It loads itself again, without a script.
var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{{if not .Ended}}<meta http-equiv="refresh" content="3">
{{end}}<title>tlslift: device test</title>
<style>
:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 40rem; padding: 1rem; overflow-wrap: anywhere }
.ask { border: .2rem solid; border-radius: .5rem; font-size: 1.2rem; font-weight: 600; padding: .8rem }
li { font-size: .9rem; margin: .5rem 0 } ol, ul { padding-left: 1.5rem } h1 { font-size: 1.2rem } h2 { font-size: 1.1rem }
</style></head><body>
<h1>tlslift: device test</h1>
{{if .Ended}}<p class="ask">The test has ended. The summary is where it was started.</p>{{end}}
{{range .Devices}}<h2>{{.Name}}</h2>
{{if .Done}}<p class="ask">Nothing more to press.</p>
<p>{{.Why}} The summary is where the test was started.</p>
{{else}}<p class="ask">{{.Ask}}</p>{{end}}
<ol reversed>{{range .Steps}}<li>{{.Saw}}{{with .Found}}<br>{{.}}{{end}}</li>{{end}}</ol>
{{else}}<p class="ask">Point the device here and press its send or test button.</p>
{{end}}<h2>Addresses of the test</h2>
<ul>{{range .Addresses}}<li>{{.}}</li>{{end}}</ul>
<p>Mails are thrown away. Passwords are neither shown nor kept.</p>
</body></html>
`))
