package listener

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Each option of the table is read, has an effect and is written again; a scheme
// that does not have it rejects it.
func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range Options() {
		if o.Value == "" || o.Default == "" || o.Meaning == "" || len(o.Schemes) == 0 {
			t.Errorf("the row of %s is not complete", o.Name)
		}
		for _, s := range Schemes() {
			base := string(s.Scheme) + "://:1"
			with := base + "?" + o.Name + "=" + o.Example
			got, err := Parse(with)
			if !slices.Contains(o.Schemes, s.Scheme) {
				if err == nil || !strings.Contains(err.Error(), "unknown option") {
					t.Errorf("%s: got %v, want an unknown option", with, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", with, err)
				continue
			}
			if without, _ := Parse(base); reflect.DeepEqual(got, without) {
				t.Errorf("%s: the option has no effect: it needs a case in setOption", with)
			}
			if text, err := got.MarshalText(); err != nil || string(text) != with {
				t.Errorf("%s is written as %s, %v: it needs its way back in query", with, text, err)
			}
		}
	}
}

// Each scheme that is declared has a row in the table, and nothing else has.
func TestSchemes(t *testing.T) {
	t.Parallel()
	all := slices.Concat(mailSchemes, transparentSchemes, []Scheme{SchemeProxy, SchemeTLS})
	if len(all) != len(Schemes()) {
		t.Errorf("%d schemes, %d rows", len(all), len(Schemes()))
	}
	for _, s := range Schemes() {
		if !slices.Contains(all, s.Scheme) || s.Client == "" || s.Destination == "" {
			t.Errorf("the row of %s is not complete, or has no such scheme", s.Scheme)
		}
		if _, err := Parse(string(s.Scheme) + "://:1"); err != nil {
			t.Errorf("%s: %v", s.Scheme, err)
		}
	}
}
