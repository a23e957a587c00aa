package statuspage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestChromiumSortsFiltersAndShowsTheRemedy(t *testing.T) {
	t.Parallel()
	b := browse(t, office())
	b.open("/")
	b.do(chromedp.Click(`//div[@id="filters"]//a[starts-with(., "Failing")]`),
		chromedp.WaitVisible(`//div[@id="filters"]//a[@aria-current and starts-with(., "Failing")]`))
	b.wantClients("192.0.2.90", "copier-accounting", "fax-reception")
	b.do(chromedp.Click(`//th/a[.="Last seen"]`), chromedp.WaitVisible(`//th[@aria-sort="descending"]/a[.="Last seen"]`))
	b.wantClients("copier-accounting", "fax-reception", "192.0.2.90")
	b.do(chromedp.Click(`//th/a[.="Last seen"]`), chromedp.WaitVisible(`//th[@aria-sort="ascending"]/a[.="Last seen"]`))
	b.wantClients("192.0.2.90", "fax-reception", "copier-accounting")
	text := eval[string](b, `document.querySelector("main").innerText`)
	if strings.Count(text, record.ReasonClientUnknownCA.Remedy()) != 1 {
		t.Errorf("the remedy is not visible once in %s", text)
	}
	b.do(chromedp.Click(`//td//a[.="client_unknown_ca"]`), chromedp.WaitVisible(chromedp.CSS(".only")))
	b.wantClients("copier-accounting")
	b.do(chromedp.Click(`//a[.="copier-accounting"]`), chromedp.WaitVisible(chromedp.CSS(`.alarm .remedy`)))
	if text := eval[string](b, `document.querySelector(".alarm").innerText`); !strings.Contains(text, record.ReasonClientUnknownCA.Remedy()) {
		t.Errorf("the remedy is not visible in %s", text)
	}
	b.do(chromedp.Click(chromedp.CSS(`.alarm .reason`)), chromedp.WaitVisible(chromedp.CSS(`#client_unknown_ca:target`)))
}

// Typing filters at once, and a new client appears without touching what was
// typed or where the page was scrolled to.
func TestChromiumKeepsThePageCurrent(t *testing.T) {
	t.Parallel()
	k := many(60)
	b := browse(t, k)
	b.open("/")
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "printer-005"))
	b.until(`document.querySelectorAll("#clients td.who").length == 10`)
	if where := eval[string](b, "location.search"); !strings.Contains(where, "q=printer-005") {
		t.Errorf("the address says %s", where)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`window.same = true; window.scrollTo(0, 300)`))
	k.Add(lifted(200, "printer-005-new", "TLS 1.0", "tls_version", 0))
	b.until(`document.querySelector("#clients").innerText.includes("printer-005-new")`)
	if got := eval[string](b, `[window.same, document.querySelector("#q").value, window.scrollY].join(" ")`); got != "true printer-005 300" {
		t.Errorf("the page was disturbed: %s", got)
	}
}

func TestChromiumWithoutJavaScript(t *testing.T) {
	t.Parallel()
	b := browse(t, office())
	b.call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})
	b.open("/?sort=name")
	b.do(chromedp.SetValue(chromedp.CSS("#q"), "scanner"), chromedp.Submit(chromedp.CSS("#q")),
		chromedp.WaitReady(chromedp.CSS(`#q[value=scanner]`)))
	b.wantClients("scanner-2nd-floor", "scanner-warehouse")
	b.do(chromedp.Click(`//th/a[.="Client"]`), chromedp.WaitReady(`//th[@aria-sort="descending"]/a[.="Client"]`))
	b.wantClients("scanner-warehouse", "scanner-2nd-floor")
}

func TestChromiumOnAPhone(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]*testenv.Inventory{"office": office(), "hostile": hostile()} {
		b := browse(t, k)
		b.size(360, 740)
		paths := []string{"/", "/ca", "/reasons", "/report"}
		for _, c := range k.Snapshot()[:2] {
			paths = append(paths, clientLink(c.Client))
		}
		for _, path := range paths {
			b.open(path)
			if width := eval[int](b, "document.scrollingElement.scrollWidth"); width > 360 {
				t.Errorf("%s: %s is %d pixels wide: %s", name, path, width,
					eval[string](b, `[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > 361)
						.map(e => e.tagName + "." + e.className).slice(0, 9).join(" ")`))
			}
		}
	}
}

// From a phone to a desk nothing is wider than the window, and no name or reason is
// broken in two; the report of 300 clients has at most 10 pages of A4.
func TestChromiumOnATabletAndOnPaper(t *testing.T) {
	t.Parallel()
	b := browseSite(t, newSite(t, buildingOptions(t, building(300))))
	for _, width := range []int64{360, 820, 1024, 1440} {
		b.size(width, 900)
		b.open("/?sort=name&q=alarm-panel")
		if broken := eval[[]string](b, brokenWords); len(broken) > 0 {
			t.Errorf("%d pixels: broken or too wide: %q", width, broken)
		}
	}
	b.open("/report")
	if n := pagesOf(b.print()); n < 2 || n > 10 {
		t.Errorf("the report has %d pages", n)
	}
}

// brokenWords lists the words that are in two lines, or reach beyond the window; a hyphen
// ends a word.
const brokenWords = `(function () {
  var found = [];
  for (var name of document.querySelectorAll("main .who bdi, main .reason, main .where bdi, main bdi.where")) {
    for (var text of name.childNodes) {
      for (var match of (text.data || "").matchAll(/[^\s-]+-?/g)) {
        var range = document.createRange();
        range.setStart(text, match.index);
        range.setEnd(text, match.index + match[0].length);
        var box = range.getBoundingClientRect();
        if (range.getClientRects().length > 1 || box.right > document.documentElement.clientWidth) found.push(match[0]);
      }
    }
  }
  return found.slice(0, 5);
})()`

func TestChromiumRunsNothingOfHostileNames(t *testing.T) {
	t.Parallel()
	b := browse(t, hostile())
	for _, path := range []string{
		"/", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/?sort=%3Cimg%20src=x%20onerror=alert(1)%3E",
		clientLink(hostileTexts()[0]), clientLink(hostileTexts()[1]), "/clients/%3Csvg%20onload=alert(1)%3E",
	} {
		b.open(path)
		found := eval[int](b, `document.querySelectorAll(
			"main script, main img, main svg:not(.plot > svg), main iframe, [onerror], [onload], a[href^='javascript:']").length +
			document.scripts.length`)
		if found != 1 {
			t.Errorf("%s has %d scripts and foreign elements, want the one script", path, found)
		}
	}
}

// Light and dark both keep text readable: WCAG 2.2 section 1.4.3 asks for a
// contrast of 4.5.
func TestChromiumInLightAndDark(t *testing.T) {
	t.Parallel()
	b := browse(t, office())
	backgrounds := map[string]bool{}
	for _, dark := range []bool{false, true} {
		b.dark(dark)
		b.open("/")
		backgrounds[eval[string](b, `getComputedStyle(document.body).backgroundColor`)] = true
		for _, poor := range eval[[]string](b, lowContrast) {
			t.Errorf("dark %v: %s", dark, poor)
		}
	}
	if len(backgrounds) != 2 {
		t.Errorf("light and dark have the backgrounds %v", backgrounds)
	}
}

// lowContrast lists elements with text of their own that is hard to read.
const lowContrast = `(function () {
  function numbers(c) { return c.match(/[0-9.]+/g).map(Number); }
  function luminance(c) {
    return numbers(c).slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4))
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  }
  function background(e) {
    for (; e; e = e.parentElement) {
      var c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return getComputedStyle(e).backgroundColor;
    }
    return "rgb(255, 255, 255)";
  }
  var own = e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim());
  return [...document.body.querySelectorAll("*")].filter(own).map(function (e) {
    var a = luminance(getComputedStyle(e).color), b = luminance(background(e));
    var contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return contrast < 4.5 ? e.tagName + "." + e.className + " has a contrast of " + contrast.toFixed(2) : "";
  }).filter(Boolean);
})()`

// TestChromiumTakesPictures does so with -screenshots.
func TestChromiumTakesPictures(t *testing.T) {
	if *screenshots == "" {
		t.Skip("it takes pictures with -screenshots")
	}
	k := office()
	k.SetDays(buildingDays(9, time.Now()))
	b := browseSite(t, newSite(t, buildingOptions(t, k)))
	for _, dark := range []bool{false, true} {
		b.dark(dark)
		look := map[bool]string{true: "dark", false: "light"}[dark]
		b.size(1280, 1700)
		b.open("/")
		b.picture("whole-" + look)
		for name, path := range map[string]string{"status": "/", "client": "/clients/copier-accounting", "ca": "/ca", "reasons": "/reasons"} {
			b.size(1280, 860)
			b.open(path)
			b.picture(fmt.Sprintf("%s-%s", name, look))
			b.size(390, 844)
			b.open(path)
			b.picture(fmt.Sprintf("%s-%s-phone", name, look))
		}
	}
	takeBuildings(t)
}

// takeBuildings takes pictures of small and of large buildings, whole pages of some widths.
func takeBuildings(t *testing.T) {
	for _, n := range []int{3, 37, 300} {
		b := browseSite(t, newSite(t, buildingOptions(t, building(n))))
		for _, dark := range []bool{false, true} {
			b.dark(dark)
			look := map[bool]string{true: "dark", false: "light"}[dark]
			for _, width := range []int64{360, 820, 1024, 1440} {
				b.size(width, 900)
				b.open("/")
				b.size(width, min(6000, eval[int64](b, "document.scrollingElement.scrollHeight")))
				b.picture(fmt.Sprintf("building-%03d-%s-%04d", n, look, width))
			}
		}
		b.dark(false)
		for name, path := range map[string]string{"status": "/", "report": "/report"} {
			b.open(path)
			if err := os.WriteFile(filepath.Join(*screenshots, fmt.Sprintf("%s-%03d.pdf", name, n)), b.print(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := browseSite(t, newSite(t, buildingOptions(t, office())))
	for name, path := range map[string]string{
		"client": "/clients/copier-accounting", "report": "/report", "reason": "/?reason=client_unknown_ca",
	} {
		for _, width := range []int64{360, 820, 1024, 1440} {
			b.size(width, 900)
			b.open(path)
			b.size(width, min(3000, eval[int64](b, "document.scrollingElement.scrollHeight")))
			b.picture(fmt.Sprintf("office-%s-%04d", name, width))
		}
	}
}
