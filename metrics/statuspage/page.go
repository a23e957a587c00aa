package statuspage

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"

	"github.com/tlslift/tlslift/metrics/wording"
)

//go:embed assets
var assets embed.FS

// pages are the templates that stand inside layout.html.
var pages = [...]string{"overview.html", "client.html", "reasons.html", "report.html", "ca.html", "message.html"}

func parseTemplates(links linker) (map[string]*template.Template, error) {
	all := make(map[string]*template.Template, len(pages))
	for _, name := range pages {
		t, err := template.New(name).Funcs(template.FuncMap{"linked": links.linked, "breakable": breakable}).
			ParseFS(assets, "assets/layout.html", "assets/parts.html", "assets/"+name)
		if err != nil {
			return nil, fmt.Errorf("reading the template %s: %w", name, err)
		}
		all[name] = t
	}
	return all, nil
}

// A head is what every page has.
type head struct {
	Title   string
	Here    string // path of the entry of the navigation
	Version string
	// HasProxy means that there is a /proxy.pac.
	HasProxy bool
	// Public means that the page is on an address that has nothing else to offer.
	Public bool
	// Host is the name of this machine; empty on a public page.
	Host string
	// Now is when the page was made.
	Now wording.Moment
}

func (s *site) head(title, here string) head {
	return head{
		Title: title, Here: here, Version: s.Version, HasProxy: s.pac.HasProxy(), Public: s.public, Host: wording.Shown(s.Host),
		Now: shownNow(),
	}
}

func (s *site) routePages(mux *http.ServeMux) {
	s.limited(mux, "/{$}", s.serveOverview)
	s.limited(mux, "/clients/{client}", s.serveClient)
	s.limited(mux, "/reasons", s.serveReasons)
	mux.HandleFunc("/assets/live.js", asset("live.js", "text/javascript; charset=utf-8"))
}

func asset(name, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			http.Error(w, "the file is missing", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(text) // an error means that the peer has closed the connection
	}
}

// render writes a page. The whole page is built before anything is sent, so that a
// mistake in a template is an error and not half a page.
func (s *site) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.templates[name].ExecuteTemplate(&b, "layout.html", data); err != nil {
		http.Error(w, "the page cannot be built: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error means that the peer has closed the connection
}

// A message is a page with a text only.
type message struct {
	head
	Text string
}

func (s *site) renderMessage(w http.ResponseWriter, status int, title, text string) {
	s.render(w, status, "message.html", message{s.head(title, ""), text})
}
