package health

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// HTTPS is how people and programs come in.
type HTTPS struct {
	Own    string // our host name
	Spoken bool   // https, by this process; else by a proxy, or not at all
	Secure bool   // people come by https, one way or the other
	ACME   bool   // certificates are got by themselves
	// Certificates are those of our names, or the files'.
	Certificates []Certificate
	Wanted       []string // the host names that the files' certificate should have
	DoorMissing  string   // why browsers are not sent from http to https
	Plain        []string // the networks that may come by plain HTTP
	Refused      Stranger // by plain HTTP
	Unlisted     Stranger // proxies that are not trusted
}

// Certificate is one of a host name, or of a file.
type Certificate struct {
	Name    string
	Hosts   []string
	Since   time.Time
	Until   time.Time // zero: there is none
	Problem string
	Mend    string
	Next    time.Time // when it is tried again
	Tries   int
}

// Stranger is who comes as they should not, within an hour.
type Stranger struct {
	Count int
	From  string // the last of them
	At    time.Time
}

const (
	// A certificate that was not renewed with so much of its life left will not be by
	// itself; one of files is renewed by somebody else.
	lateShare = 4 // a quarter
	// What came once may be a mistake, or anybody.
	someStrangers = 10
	strangersFor  = time.Hour
)

func (r *Report) https(f Facts) {
	h := f.HTTPS
	if h == nil {
		return
	}
	p := Part{Name: "https", Title: "HTTPS", OK: true, Detail: "spoken by a proxy"}
	switch {
	case h.Spoken:
		p.Detail = "certificates are in force"
	case !h.Secure:
		p.Detail = "not used: plain HTTP on this machine"
		if len(h.Plain) > 0 {
			p.Detail = "not used: plain HTTP is taken from " + strings.Join(h.Plain, ", ")
		}
	}
	for _, c := range h.Certificates {
		value := "none yet"
		if !c.Until.IsZero() {
			value = "ends in " + Age(c.Until.Sub(f.Now))
			if !c.Until.After(f.Now) {
				value = "over since " + Age(f.Now.Sub(c.Until))
			}
		}
		p.Figures = append(p.Figures, Figure{c.Name, value})
	}
	r.Add(p)
	for _, c := range h.Certificates {
		r.certificate(f.Now, h, c)
	}
	if h.DoorMissing != "" {
		r.Warn("https", "Browsers that come by http are not sent to https: "+sentence(h.DoorMissing), "Free port 80 for Tocsin, or name another address in TOCSIN_LISTEN_HTTP; off says that it is meant so.")
	}
	if s := h.Refused; s.Count > 0 && f.Now.Sub(s.At) < strangersFor {
		r.Warn("https", fmt.Sprintf("%s by plain HTTP refused in the last hour, the last from %s.", Count(s.Count, "request was", "requests were"), s.From),
			"Have them come by https; or name the proxy in TOCSIN_TRUSTED_PROXIES, or in a closed network their addresses in TOCSIN_PLAIN_HTTP.")
	}
	if s := h.Unlisted; s.Count >= someStrangers && f.Now.Sub(s.At) < strangersFor {
		r.Warn("https", "Requests come through a proxy at "+s.From+" that is not in TOCSIN_TRUSTED_PROXIES: all who come through it count as one, so that they are locked out of signing in together.",
			"Add its address to TOCSIN_TRUSTED_PROXIES. If it is no proxy of yours, nothing is amiss: what it says is not believed.")
	}
}

func (r *Report) certificate(now time.Time, h *HTTPS, c Certificate) {
	left := c.Until.Sub(now)
	again := ""
	if c.Next.After(now) {
		again = " It is tried again in " + Age(c.Next.Sub(now)) + "."
	}
	switch {
	case c.Problem != "" && c.Until.IsZero():
		r.Part("https").Detail = "a certificate is missing"
		r.warn(Warning{Part: "https", Problem: "There is no certificate for " + c.Problem + again, Mend: c.Mend, Vital: h.ours(c)})
	case c.Problem != "":
		r.warn(Warning{Part: "https", Problem: fmt.Sprintf("The certificate of %s, which %s, is not renewed: %s%s", c.Name, ends(left), sentence(c.Problem), again), Mend: c.Mend, Vital: left <= 0 && h.ours(c)})
	case c.Until.IsZero():
		r.Part("https").Detail = "a certificate is on its way"
	case left <= 0:
		r.warn(Warning{Part: "https", Problem: fmt.Sprintf("The certificate of %s %s: browsers refuse it.", c.Name, ends(left)), Mend: renewWords(h), Vital: h.ours(c)})
	case now.Before(c.Since):
		r.Warn("https", "The certificate of "+c.Name+" is not valid before "+c.Since.UTC().Format(time.DateTime)+" UTC.", "Look at this machine's clock.")
	case !h.ACME && left < c.Until.Sub(c.Since)/lateShare && left < 21*24*time.Hour:
		r.Warn("https", fmt.Sprintf("The certificate of %s %s.", c.Name, ends(left)), renewWords(h))
	}
	var missing []string
	for _, name := range h.Wanted {
		if (&x509.Certificate{DNSNames: c.Hosts}).VerifyHostname(name) != nil && !slices.Contains(c.Hosts, name) && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		r.Warn("https", "The certificate of "+c.Name+" is not for "+strings.Join(missing, ", ")+".", "Have one made with these names too, or let Tocsin get them: TOCSIN_DOMAIN instead of TOCSIN_TLS_CERT.")
	}
}

// ours says whether a certificate is that of the hub's own name: without it no engine
// gets in. A status page may have a name of its own.
func (h *HTTPS) ours(c Certificate) bool {
	return !h.ACME || c.Name == h.Own || slices.Contains(c.Hosts, h.Own)
}

func ends(left time.Duration) string {
	if left <= 0 {
		return "is over since " + Age(-left)
	}
	return "ends in " + Age(left)
}

func renewWords(h *HTTPS) string {
	if h.ACME {
		return "Look whether this machine reaches the CA; tocsin certificate renew NAME orders a new one."
	}
	return "Put a new pair in the place of the files; it is taken by itself."
}
