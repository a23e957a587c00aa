package statuspage

import (
	"bytes"
	"net/http"

	"github.com/tlslift/tlslift/proxy/record"
)

// A head is what every page has.
type head struct {
	Title   string
	Here    string // path of the entry of the navigation
	Version string
	// HasProxy says whether there is a /proxy.pac.
	HasProxy bool
}

func (s *site) head(title, here string) head {
	return head{Title: title, Here: here, Version: s.Version, HasProxy: len(s.proxyListeners()) > 0}
}

func (s *site) routePages(mux *http.ServeMux) {
	mux.HandleFunc("/{$}", s.serveStatus)
	mux.HandleFunc("/clients/{client}", s.serveClient)
	mux.HandleFunc("/reasons", s.serveReasons)
	mux.HandleFunc("/proxy.pac", s.servePAC)
	mux.HandleFunc("/assets/style.css", asset("style.css", "text/css; charset=utf-8"))
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
		_, _ = w.Write(text) // an error means that the peer has gone
	}
}

// render writes a page. It is made as a whole before anything is sent, so that
// a mistake is an error and not half a page.
func (s *site) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.templates[name].ExecuteTemplate(&b, "layout.html", data); err != nil {
		http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error means that the peer has gone
}

// A message is a page that only says something.
type message struct {
	head
	Text string
}

func (s *site) renderMessage(w http.ResponseWriter, status int, title, text string) {
	s.render(w, status, "message.html", message{s.head(title, ""), text})
}

// A reasonText is a reason with its sentences.
type reasonText struct{ Reason, Cause, Remedy string }

func (s *site) serveReasons(w http.ResponseWriter, _ *http.Request) {
	data := struct {
		head
		Reasons []reasonText
	}{head: s.head("Reasons", "/reasons")}
	for _, r := range record.Reasons() {
		data.Reasons = append(data.Reasons, reasonText{string(r), r.Cause(), r.Remedy()})
	}
	s.render(w, http.StatusOK, "reasons.html", data)
}
